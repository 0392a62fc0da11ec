//! Parity with the reference tools: EAP-IG's scores and circuits, and auto-circuit's ACDC, on two seeded random
//! models, in f64.
//!
//! Fixtures are written by `scripts/golden_fixtures.py`, which states their conventions.

use std::collections::BTreeMap;
use std::path::Path;

use secateur::discover::{Method, Search, Select, discover};
use secateur::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Dangling, EdgeMask, Granularity, KeyValue, Prune};
use secateur::metric::Metric;
use secateur::model::{Weights, load_model};
use secateur::score::{EapIg, Exact};
use secateur::task::Example;
use serde::Deserialize;

use crate::synthetic::{graph_of, without};

/// Largest error accepted, relative to the largest number of its kind.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Golden {
    edges: Vec<String>,
    sets: BTreeMap<String, Set>,
    last_logits: Vec<Vec<f64>>,
    acdc: Vec<AcdcRun>,
}

#[derive(Deserialize)]
struct Set {
    prompts: Vec<Prompt>,
    scores: BTreeMap<String, Vec<f64>>,
    circuits: Vec<GoldenCircuit>,
}

#[derive(Deserialize)]
struct Prompt {
    clean: Vec<u32>,
    corrupt: Vec<u32>,
    answer: u32,
    wrong: u32,
}

#[derive(Deserialize)]
struct GoldenCircuit {
    scores: String,
    select: String,
    n: usize,
    kept: Vec<usize>,
    patching: Vec<f64>,
    zero: Option<Vec<f64>>,
    #[serde(rename = "mean-positional")]
    mean_positional: Option<Vec<f64>>,
    faithfulness: f64,
}

#[derive(Deserialize)]
struct AcdcRun {
    metric: String,
    threshold: f64,
    /// Edge, change, kept.
    order: Vec<(String, f64, bool)>,
}

struct Setup {
    golden: Golden,
    weights: Weights<f64>,
    graph: ComputationGraph,
    /// Our number of each golden edge.
    edges: Vec<usize>,
}

fn setup(name: &str) -> Setup {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let text = fs_err::read_to_string(folder.join("golden.json")).expect("the fixture");
    let golden: Golden = serde_json::from_str(&text).expect("golden numbers");
    let model = load_model(".", &folder).expect("the model");
    let granularity = Granularity {
        kv: KeyValue::PerHead,
        ..Granularity::default()
    };
    let graph = graph_of(model.config(), &granularity);
    let edges: Vec<usize> = golden
        .edges
        .iter()
        .map(|name| graph.find_edge(name).expect("the same edges"))
        .collect();
    assert_eq!(edges.len(), graph.edge_count());
    Setup {
        golden,
        weights: model.weights.cast(),
        graph,
        edges,
    }
}

impl Setup {
    fn examples(&self, set: &str) -> Vec<Example> {
        let prompts = &self.golden.sets[set].prompts;
        let example = |prompt: &Prompt| Example {
            clean: prompt.clean.clone(),
            corrupt: prompt.corrupt.clone(),
            answer: vec![prompt.answer],
            wrong: vec![prompt.wrong],
            at: vec![prompt.clean.len() - 1],
            teacher_forced: false,
            text: None,
        };
        prompts.iter().map(example).collect()
    }

    fn with<R>(
        &self,
        set: &str,
        metric: Metric,
        ablation: Ablation,
        work: impl FnOnce(&mut ModelEvaluator<'_, f64>) -> R,
    ) -> R {
        let examples = self.examples(set);
        let transformer = Transformer::new(&self.weights, &self.graph);
        let ablated =
            AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
        let mut evaluator =
            ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
                .expect("an evaluator");
        work(&mut evaluator)
    }

    fn circuit(&self, kept: &[usize]) -> EdgeMask {
        EdgeMask::from_edges(&self.graph, kept.iter().map(|&index| self.edges[index]))
    }
}

/// Largest difference relative to the largest wanted number.
fn worst_error(found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    assert!(!wanted.is_empty());
    let largest = wanted
        .iter()
        .fold(0.0f64, |most, value| most.max(value.abs()));
    let worst = found
        .iter()
        .zip(wanted)
        .fold(0.0f64, |most, (found, wanted)| {
            most.max((found - wanted).abs())
        });
    worst / largest
}

fn metric_and_ablation(key: &str) -> (Metric, Ablation) {
    let metric = if key.ends_with("_kl") {
        Metric::Kl
    } else {
        Metric::LogitDiff
    };
    let ablation = if key.ends_with("_zero") {
        Ablation::Zero
    } else if key.ends_with("_mean_positional") {
        Ablation::MeanPositional
    } else {
        Ablation::Patch
    };
    (metric, ablation)
}

const MODELS: [&str; 2] = ["tiny-gpt2", "tiny-llama"];

#[test]
fn logits_agree() {
    for name in MODELS {
        let setup = setup(name);
        let rows: Vec<Vec<u32>> = setup
            .examples("A")
            .iter()
            .map(|example| example.clean.clone())
            .collect();
        let found = Transformer::new(&setup.weights, &setup.graph).last_logits(&rows);
        let error = worst_error(&found.concat(), &setup.golden.last_logits.concat());
        println!("{name}: logits {error:.1e}");
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

#[test]
fn scores_agree_with_eap_ig() {
    for name in MODELS {
        let setup = setup(name);
        for (set, golden) in &setup.golden.sets {
            for (key, wanted) in &golden.scores {
                let (metric, ablation) = metric_and_ablation(key);
                let scores = setup.with(set, metric, ablation, |evaluator| {
                    if key.starts_with("exact") {
                        Exact::default().score(evaluator, &Silent)
                    } else if key.starts_with("eap_ig") {
                        EapIg { steps: 5 }.score(evaluator)
                    } else {
                        evaluator.attribution(&[1.0])
                    }
                    .expect("scores")
                });
                let found: Vec<f64> = setup.edges.iter().map(|&edge| scores[edge]).collect();
                let error = worst_error(&found, wanted);
                println!("{name}, set {set}, {key}: {error:.1e}");
                assert!(error < TOLERANCE, "{name}, set {set}, {key}: {error}");
            }
        }
    }
}

#[test]
fn ablated_circuits_agree_with_eap_ig() {
    for name in MODELS {
        let setup = setup(name);
        for (set, golden) in &setup.golden.sets {
            let circuits = &golden.circuits;
            let mut masks: Vec<EdgeMask> = circuits
                .iter()
                .map(|circuit| setup.circuit(&circuit.kept))
                .collect();
            masks.push(EdgeMask::full(&setup.graph));
            masks.push(EdgeMask::empty(&setup.graph));
            let mut compared = 0;
            for ablation in [Ablation::Patch, Ablation::Zero, Ablation::MeanPositional] {
                let values = setup.with(set, Metric::LogitDiff, ablation, |evaluator| {
                    evaluator.measure(&masks).expect("values")
                });
                let [full, empty] = [1, 2].map(|back| mean(&values[circuits.len() + back - 1]));
                let (mut all, mut all_wanted) = (Vec::new(), Vec::new());
                for (circuit, found) in circuits.iter().zip(&values) {
                    let wanted = match ablation {
                        Ablation::Patch => Some(&circuit.patching),
                        Ablation::Zero => circuit.zero.as_ref(),
                        _ => circuit.mean_positional.as_ref(),
                    };
                    // Set B has prompts of several lengths and no means.
                    let Some(wanted) = wanted else { continue };
                    all.extend(found);
                    all_wanted.extend(wanted);
                    compared += 1;
                    if ablation == Ablation::Patch {
                        let faithfulness = (mean(found) - empty) / (full - empty);
                        assert!((faithfulness - circuit.faithfulness).abs() < TOLERANCE);
                    }
                }
                if all.is_empty() {
                    continue;
                }
                let worst = worst_error(&all, &all_wanted);
                println!("{name}, set {set}, circuits, {ablation:?}: {worst:.1e}");
                assert!(worst < TOLERANCE, "{name}, {set}, {ablation:?}: {worst}");
            }
            assert!(compared >= 2 * circuits.len(), "{name}: {compared}");
        }
    }
}

/// Top-n and greedy selection keep the very edges that EAP-IG keeps.
#[test]
fn selection_agrees_with_eap_ig() {
    for name in MODELS {
        let setup = setup(name);
        for (set, golden) in &setup.golden.sets {
            for circuit in &golden.circuits {
                let select = match circuit.select.as_str() {
                    "topn" => Select::TopN {
                        edges: Some(circuit.n),
                        share: None,
                    },
                    "greedy" => Select::Greedy { edges: circuit.n },
                    other => panic!("selection {other}"),
                };
                let method = match circuit.scores.as_str() {
                    "exact" => Method::Exact(Exact::default()),
                    "eap" => Method::Eap(secateur::score::Eap::default()),
                    "eap_ig_inputs_5" => Method::EapIg(EapIg { steps: 5 }),
                    other => panic!("scores {other}"),
                };
                let search = Search {
                    method,
                    select: Some(select),
                    target: None,
                    prune: Prune::Edges,
                    dangling: Dangling::NoPathEitherWay,
                };
                let found = setup.with(set, Metric::LogitDiff, Ablation::Patch, |evaluator| {
                    discover(evaluator, &search, &Silent).expect("a discovery")
                });
                let wanted = setup.circuit(&circuit.kept);
                assert_eq!(found.kept, wanted, "{name}, {set}, {search:?}");
            }
        }
    }
}

/// auto-circuit tests edges in its own order; replayed, every change is the same number.
#[test]
fn changes_agree_with_auto_circuits_acdc() {
    let setup = setup("tiny-gpt2");
    assert_eq!(setup.golden.acdc.len(), 3);
    for run in &setup.golden.acdc {
        assert_eq!(run.metric, "kl");
        let (found, wanted): (Vec<f64>, Vec<f64>) =
            setup.with("A", Metric::Kl, Ablation::Patch, |evaluator| {
                let mut circuit = EdgeMask::full(&setup.graph);
                let mut before = mean(&evaluator.rebase(&circuit).expect("values"));
                let step = |(name, wanted, kept): &(String, f64, bool)| {
                    let edge = setup.graph.find_edge(name).expect("an edge");
                    let left = without(&setup.graph, &circuit, edge);
                    let values = evaluator
                        .measure_near(std::slice::from_ref(&left))
                        .expect("values");
                    let change = before - mean(&values[0]);
                    assert_eq!(change >= run.threshold, *kept, "{name}: {change}");
                    if !kept {
                        circuit = left;
                        before = mean(&evaluator.rebase(&circuit).expect("values"));
                    }
                    (change, *wanted)
                };
                run.order.iter().map(step).unzip()
            });
        let error = worst_error(&found, &wanted);
        println!("auto-circuit, tau {}: {error:.1e}", run.threshold);
        assert!(error < TOLERANCE, "tau {}: {error}", run.threshold);
    }
}
