//! Learned constants: gradients are slopes, and training helps.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::events::Silent;
use crate::graph::{ComputationGraph, Granularity, NeuronNodes, PositionEmbedding};
use crate::model::{Weights, load_model};

/// A built-in model with hidden units of its first MLP as nodes, and a position embedding where there is one.
fn model(name: &str, split: bool) -> (Weights<f64>, ComputationGraph) {
    let model = load_model(name, Path::new(".")).expect("a model");
    let granularity = Granularity {
        position_embedding: if split && name.ends_with("gpt2") {
            PositionEmbedding::Writer
        } else {
            PositionEmbedding::Free
        },
        ..Granularity::default()
    };
    let neurons: NeuronNodes = if split {
        BTreeMap::from([(0, vec![1, 5]), (1, vec![3])])
    } else {
        BTreeMap::new()
    };
    let graph = ComputationGraph::new(model.config(), &granularity, &neurons);
    (model.weights.cast(), graph.expect("a graph"))
}

fn examples(count: u32) -> Vec<Example> {
    (0..count)
        .map(|index| {
            let clean: Vec<u32> = (0..4 + index % 3)
                .map(|place| 3 + (7 * index + 5 * place * place) % 40)
                .collect();
            Example {
                corrupt: clean.iter().map(|token| token + 1).collect(),
                at: vec![clean.len() - 2, clean.len() - 1],
                clean,
                answer: vec![1],
                wrong: vec![2],
                teacher_forced: false,
                spans: Vec::new(),
                text: None,
            }
        })
        .collect()
}

/// Mean loss over the examples, each with its drawn writer replaced, and the gradients.
fn loss(
    transformer: &Transformer<'_, f64>,
    examples: &[Example],
    means: &Means<f64>,
    draws: &[usize],
) -> (f64, Vec<Vec<f64>>) {
    let (batch, _) = Batch::new(transformer, examples).expect("a batch");
    let mut gradients = vec![Vec::new(); transformer.graph().writers().len()];
    let sum = batch.differentiate(transformer, means, draws, &mut gradients);
    (sum / examples.len() as f64, gradients)
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for (name, split) in [
        ("builtin:toy-gpt2", false),
        ("builtin:toy-gpt2", true),
        ("builtin:toy-llama", false),
        ("builtin:toy-llama", true),
    ] {
        let (weights, graph) = model(name, split);
        let transformer = Transformer::new(&weights, &graph);
        let examples = examples(6);
        let means = Means::over(&transformer, &examples, false);
        let writers = graph.writers().len();
        for first in 0..writers {
            // Several writers at once, and one of them in several examples.
            let draws: Vec<usize> = (0..6).map(|index| (first + index / 2) % writers).collect();
            let (_, gradients) = loss(&transformer, &examples, &means, &draws);
            let gradient = &gradients[first];
            for column in [0, gradient.len() / 2, gradient.len() - 1] {
                let at = |step: f64| {
                    let mut moved = means.clone();
                    moved.constant_mut(&transformer, first)[column] += step;
                    6.0 * loss(&transformer, &examples, &moved, &draws).0
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let found = gradient[column];
                let node = graph.writers()[first];
                assert!(
                    (found - slope).abs() < 1e-6 * slope.abs().max(1.0),
                    "{name}, {node}, {column}: {found}, not {slope}"
                );
            }
            let drawn = gradients.iter().filter(|gradient| !gradient.is_empty());
            assert_eq!(drawn.count(), 3.min(writers));
        }
    }
}

#[test]
fn training_lowers_the_loss_of_the_writers() {
    for name in ["builtin:toy-gpt2", "builtin:toy-llama"] {
        let (weights, graph) = model(name, true);
        let transformer = Transformer::new(&weights, &graph);
        let examples = examples(12);
        let means = Means::over(&transformer, &examples, false);
        let found = Optimal::default()
            .train(&transformer, &examples, means.clone(), &Silent)
            .expect("constants");
        let of = |means: &Means<f64>, writer: usize| {
            loss(&transformer, &examples, means, &[writer; 12]).0
        };
        let (mut before, mut after) = (0.0, 0.0);
        for writer in 0..graph.writers().len() {
            let (mean, optimal) = (of(&means, writer), of(&found, writer));
            assert!(
                optimal < 1.05 * mean + 1e-3,
                "{name}, {writer}: {mean}, {optimal}"
            );
            before += mean;
            after += optimal;
        }
        assert!(after < 0.8 * before, "{name}: {before} -> {after}");
    }
}
