//! Parity with the reference tools: EAP-IG's scores and circuits, and the runs of two ACDC programs, on seeded
//! random models, in f64 and, for scores, in f32.
//!
//! Fixtures are written by `scripts/golden_fixtures.py`, which states their conventions.

mod acdc;
mod circuits;
mod scores;

use std::collections::BTreeMap;
use std::path::Path;

use secateur::discover::{Discovery, Method, Search, Select, discover};
use secateur::engine::{Ablation, AblationValues, ModelEvaluator, Transformer};
use secateur::events::Silent;
use secateur::graph::{
    ComputationGraph, Dangling, EdgeMask, Granularity, KeyValue, NeuronNodes, Prune,
};
use secateur::metric::Metric;
use secateur::model::{Real, Weights, load_model};
use secateur::task::Example;
use serde::Deserialize;

/// Largest error accepted in f64, relative to the largest number of its kind.
const TOLERANCE: f64 = 1e-9;
/// The same in f32.
const TOLERANCE_F32: f64 = 1e-4;

/// The models, each a folder below `tests/fixtures`.
const MODELS: [&str; 3] = ["tiny-gpt2", "tiny-llama", "tiny-neox"];

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
    patching: Measured,
    zero: Measured,
    /// Set B has prompts of several lengths and no means.
    #[serde(rename = "mean-positional")]
    mean_positional: Option<Measured>,
    faithfulness: f64,
}

/// What a circuit does under an ablation.
#[derive(Deserialize)]
struct Measured {
    /// By example.
    logit_diff: Vec<f64>,
    /// KL from the full model, mean over examples.
    kl: f64,
}

#[derive(Deserialize)]
struct AcdcRun {
    tool: String,
    metric: String,
    threshold: f64,
    /// Edge, change, kept.
    order: Vec<(String, f64, bool)>,
}

struct Setup {
    golden: Golden,
    weights: Weights<f64>,
    single: Weights<f32>,
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
    let graph =
        ComputationGraph::new(model.config(), &granularity, &NeuronNodes::new()).expect("a graph");
    let edges: Vec<usize> = golden
        .edges
        .iter()
        .map(|name| graph.find_edge(name).expect("the same edges"))
        .collect();
    assert_eq!(edges.len(), graph.edge_count());
    Setup {
        golden,
        weights: model.weights.cast(),
        single: model.weights,
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
            spans: Vec::new(),
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
        self.with_weights(&self.weights, set, metric, ablation, work)
    }

    fn with_weights<T: Real, R>(
        &self,
        weights: &Weights<T>,
        set: &str,
        metric: Metric,
        ablation: Ablation,
        work: impl FnOnce(&mut ModelEvaluator<'_, T>) -> R,
    ) -> R {
        let examples = self.examples(set);
        let transformer = Transformer::new(weights, &self.graph);
        let ablated =
            AblationValues::new(&transformer, &examples, ablation, &Silent).expect("values");
        let mut evaluator =
            ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)
                .expect("an evaluator");
        work(&mut evaluator)
    }

    /// What a method finds, by the same search that a spec would run.
    fn discover<T: Real>(
        &self,
        weights: &Weights<T>,
        set: &str,
        (metric, ablation): (Metric, Ablation),
        method: Method,
        select: Option<Select>,
    ) -> Discovery {
        let search = Search {
            method,
            select,
            target: None,
            prune: Prune::Edges,
            dangling: Dangling::NoPathEitherWay,
        };
        self.with_weights(weights, set, metric, ablation, |evaluator| {
            discover(evaluator, &search, &Silent).expect("a discovery")
        })
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

#[test]
fn logits_agree() {
    for name in MODELS {
        let setup = setup(name);
        let rows: Vec<Vec<u32>> = setup
            .examples("A")
            .iter()
            .map(|example| example.clean.clone())
            .collect();
        let transformer = Transformer::new(&setup.weights, &setup.graph);
        let found = transformer.last_logits(&rows);
        // The last positions of all logits are the same numbers, to the bit.
        let all = transformer.all_logits(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut positions = all.chunks_exact(found[0].len());
        for (row, last) in rows.iter().zip(&found) {
            assert_eq!(positions.nth(row.len() - 1), Some(&last[..]));
        }
        let error = worst_error(&found.concat(), &setup.golden.last_logits.concat());
        println!("{name}: logits {error:.1e}");
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}
