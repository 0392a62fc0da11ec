//! A real model against recorded facts: SmolLM2-135M as `scripts/get-models.sh` fetches it.
//!
//! `cargo test` leaves this out, because the model is a download: `cargo test --release --test real_model`.

use std::path::Path;

use secateur::graph::{Granularity, KeyValue, NeuronNodes};
use secateur::model::{LoadedModel, PrependBos};
use secateur::run::last_logits;
use secateur::{ComputationGraph, load_model};
use serde::Deserialize;

/// Largest difference of a logit, from rounding.
const TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
struct Facts {
    cases: Vec<Case>,
}

/// A prompt, its tokens, and the ten largest logits behind them.
#[derive(Deserialize)]
struct Case {
    prompt: String,
    ids: Vec<u32>,
    top: Vec<(u32, f64)>,
}

fn model() -> LoadedModel {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    load_model("models/smollm2-135m.gguf", root)
        .unwrap_or_else(|error| panic!("{error}\nrun scripts/get-models.sh first"))
}

/// Token numbers by descending logit.
fn order(logits: &[f32]) -> Vec<u32> {
    let mut tokens: Vec<u32> = (0..logits.len() as u32).collect();
    tokens.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    tokens
}

#[test]
fn tokens_logits_and_edges_are_as_recorded() {
    let facts: Facts = serde_json::from_str(include_str!("fixtures/smollm2_logits.json")).unwrap();
    let model = model();
    let tokenizer = model.require_tokenizer().unwrap();
    for case in &facts.cases {
        let ids = tokenizer.encode(&case.prompt, PrependBos::Never).unwrap();
        assert_eq!(ids, case.ids, "{}", case.prompt);
    }
    let rows: Vec<Vec<u32>> = facts.cases.iter().map(|case| case.ids.clone()).collect();
    let logits = last_logits(&model, &rows).unwrap();
    for (case, logits) in facts.cases.iter().zip(&logits) {
        for (rank, (token, expected)) in case.top.iter().enumerate() {
            let got = f64::from(logits[*token as usize]);
            let place = format!("{:?}, token {token}: {got}, not {expected}", case.prompt);
            assert!((got - expected).abs() < TOLERANCE, "{place}");
            if rank == 0 {
                assert_eq!(order(logits)[0], *token, "{place}");
            }
        }
    }
}

#[test]
fn the_capital_of_france_is_paris() {
    let model = model();
    let tokenizer = model.require_tokenizer().unwrap();
    let prompt = tokenizer
        .encode("The capital of France is", PrependBos::Auto)
        .unwrap();
    let logits = last_logits(&model, &[prompt]).unwrap();
    assert_eq!(tokenizer.decode(&order(&logits[0])[..1]), " Paris");
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
