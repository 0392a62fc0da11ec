//! Lenses: streams, what they say and what they are made of, against plain sums in double precision; fitted maps against
//! normal equations solved step by step.

mod attribution;
mod seen;
mod tuned;

use std::path::Path;

use secateur::graph::{ComputationGraph, Granularity};
use secateur::model::{ModelConfig, Weights, load_model};

use crate::oracle::{self, gpt2, llama};
use crate::synthetic::graph_of;

/// Models in double precision: two of random weights, and one of each family that norms, caps or scales in its own way.
pub(crate) fn models() -> Vec<(String, Weights<f64>, ComputationGraph)> {
    let random = [
        ("gpt2", gpt2(false)),
        ("parallel", gpt2(true)),
        ("llama", llama()),
    ];
    let mut models: Vec<(String, Weights<f64>)> = random
        .into_iter()
        .map(|(name, config)| (name.to_owned(), oracle::random_weights(&config, 5)))
        .collect();
    for name in [
        "gemma2",
        "gemma3_text",
        "gpt_neox",
        "attention-only",
        "tracr-reverse",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families");
        let model = load_model(".", &folder.join(name)).expect("the model");
        models.push((name.to_owned(), model.weights.cast()));
    }
    let with_graph = models.into_iter().map(|(name, weights)| {
        let graph = graph_of(&weights.config, &Granularity::default());
        (name, weights, graph)
    });
    with_graph.collect()
}

pub(crate) fn tokens(config: &ModelConfig, count: usize, seed: u32) -> Vec<u32> {
    let count = count.min(config.n_ctx);
    (0..count as u32)
        .map(|index| (index * 7 + seed * 5 + index * index) % config.d_vocab as u32)
        .collect()
}

pub(crate) fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted
        .iter()
        .fold(1.0, |most: f64, value| most.max(value.abs()));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(
            (found - wanted).abs() < 1e-9 * scale,
            "{what}: {found}, not {wanted}"
        );
    }
}
