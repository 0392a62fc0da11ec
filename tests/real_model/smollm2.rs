//! SmolLM2-135M-Instruct.

use std::collections::BTreeMap;

use secateur::ComputationGraph;
use secateur::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{Dangling, EdgeMask, Granularity, KeyValue, NeuronNodes, ranking};
use secateur::metric::Metric;
use secateur::model::{LoadedModel, PrependBos};
use secateur::score::{Eap, EapIg};
use secateur::setting::last_logits;
use secateur::task::Example;
use serde::Deserialize;

use crate::facts;

fn model() -> LoadedModel {
    facts::model("models/smollm2-135m.gguf", "scripts/get-models.sh")
}

#[test]
fn tokens_and_logits_are_as_recorded() {
    let recorded = include_str!("../fixtures/smollm2_logits.json");
    facts::assert_recorded(&model(), recorded, PrependBos::Never);
}

#[test]
fn the_capital_of_france_is_paris() {
    let model = model();
    let tokenizer = model.require_tokenizer().unwrap();
    let prompt = tokenizer
        .encode("The capital of France is", PrependBos::Auto)
        .unwrap();
    let logits = last_logits(&model, &[prompt]).unwrap();
    assert_eq!(tokenizer.decode(&facts::order(&logits[0])[..1]), " Paris");
}

#[test]
fn the_graph_has_the_expected_edges() {
    let model = model();
    for (kv, edges) in [(KeyValue::Group, 70_651), (KeyValue::PerHead, 123_211)] {
        let granularity = Granularity {
            kv,
            ..Granularity::default()
        };
        let graph = ComputationGraph::new(model.config(), &granularity, &NeuronNodes::new());
        assert_eq!(graph.unwrap().edge_count(), edges);
    }
}

/// EAP-IG's numbers of this model in single precision, as `scripts/smollm2_fixture.py` writes them.
#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Prompt>,
    /// Edge and score by method.
    scores: BTreeMap<String, Vec<(String, f64)>>,
    exact: Vec<(String, f64)>,
    /// Edges asked for, edges left without dangling parts, faithfulness; by EAP-IG's scores.
    circuits: Vec<(usize, usize, f64)>,
}

#[derive(Deserialize)]
struct Prompt {
    clean: Vec<u32>,
    corrupt: Vec<u32>,
    answer: u32,
    wrong: u32,
}

/// Largest difference of a score, relative to the largest of its kind. Both sides are in single precision.
const SCORE_TOLERANCE: f64 = 1e-4;
/// Largest difference of a faithfulness.
const FAITHFULNESS_TOLERANCE: f64 = 2e-3;

fn assert_scores(found: &[f64], wanted: &[f64], what: &str) {
    let largest = wanted
        .iter()
        .fold(0.0f64, |most, score| most.max(score.abs()));
    let differences = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0f64, f64::max) / largest;
    println!("{what}: {worst:.1e} of the largest");
    assert!(worst < SCORE_TOLERANCE, "{what}: {worst}");
}

#[test]
fn scores_and_circuits_are_those_of_eap_ig() {
    let golden: Golden =
        serde_json::from_str(include_str!("../fixtures/smollm2_golden.json")).unwrap();
    let model = model();
    let granularity = Granularity {
        kv: KeyValue::PerHead,
        ..Granularity::default()
    };
    let graph = ComputationGraph::new(model.config(), &granularity, &NeuronNodes::new()).unwrap();
    let examples: Vec<Example> = golden
        .prompts
        .iter()
        .map(|prompt| Example {
            clean: prompt.clean.clone(),
            corrupt: prompt.corrupt.clone(),
            answer: vec![prompt.answer],
            wrong: vec![prompt.wrong],
            at: vec![prompt.clean.len() - 1],
            teacher_forced: false,
            spans: Vec::new(),
            text: None,
        })
        .collect();
    let transformer = Transformer::new(&model.weights, &graph);
    let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent).unwrap();
    let mut evaluator =
        ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated).unwrap();
    let edge = |name: &str| graph.find_edge(name).unwrap();

    let mut by_inputs = Vec::new();
    for (method, wanted) in &golden.scores {
        let scores = match method.as_str() {
            "eap" => Eap::default().score(&mut evaluator),
            "eap_ig_inputs_5" => EapIg { steps: 5 }.score(&mut evaluator),
            other => panic!("method {other}"),
        }
        .unwrap();
        let found: Vec<f64> = wanted.iter().map(|(name, _)| scores[edge(name)]).collect();
        let wanted: Vec<f64> = wanted.iter().map(|(_, score)| *score).collect();
        assert_eq!(wanted.len(), 400);
        assert_scores(&found, &wanted, method);
        by_inputs = scores;
    }

    let full = EdgeMask::full(&graph);
    let base = mean(&evaluator.rebase(&full).unwrap());
    let without: Vec<EdgeMask> = golden
        .exact
        .iter()
        .map(|(name, _)| {
            let (writer, reader) = graph.ends(edge(name));
            let mut circuit = full.clone();
            circuit.remove(writer, reader);
            circuit
        })
        .collect();
    let mut found = Vec::new();
    for circuits in without.chunks(evaluator.batch()) {
        let values = evaluator.measure_near(circuits, false).unwrap();
        found.extend(values.iter().map(|values| base - mean(values)));
    }
    let wanted: Vec<f64> = golden.exact.iter().map(|(_, score)| *score).collect();
    assert_eq!(wanted.len(), 40);
    assert_scores(&found, &wanted, "exact");

    let order = ranking(&by_inputs, true);
    let empty = mean(&evaluator.measure(&[EdgeMask::empty(&graph)]).unwrap()[0]);
    for &(edges, left, wanted) in &golden.circuits {
        let top = EdgeMask::from_edges(&graph, order[..edges].iter().copied());
        let circuit = graph.drop_dangling(&top, Dangling::NoPathEitherWay);
        // Scores that are equal to rounding may change places at the end of the list.
        assert!(
            circuit.len().abs_diff(left) <= 2,
            "{} of {left}",
            circuit.len()
        );
        let value = mean(&evaluator.measure(&[circuit]).unwrap()[0]);
        let faithfulness = (value - empty) / (base - empty);
        println!("{edges} edges: faithfulness {faithfulness:.4}, EAP-IG's {wanted:.4}");
        let error = (faithfulness - wanted).abs();
        assert!(error < FAITHFULNESS_TOLERANCE, "{edges} edges: {error}");
    }
}
