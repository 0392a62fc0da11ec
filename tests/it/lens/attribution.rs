//! Direct logit attribution: parts sum to the stream and to the logit, each is what the plain run wrote.

use std::path::Path;

use secateur::analyze::lens::attribution_csv;
use secateur::analyze::lens::{Attributed, Attribution, attribute};
use secateur::engine::{Component, Transformer};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, Node};
use secateur::model::{Norm, Weights, load_model};

use super::{assert_close, models, tokens};
use crate::oracle::{self, Rows, add, dot};
use crate::synthetic::graph_of;

/// What a part wrote, from what the plain run's writers wrote. Of heads whose sum is normed, the share by the scale that the
/// plain norm had.
fn plain_part(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    tokens: &[u32],
    (part, position): (Component, usize),
) -> Vec<f64> {
    let config = &weights.config;
    let (_, outputs) = oracle::full_run(weights, graph, tokens);
    let written = |node: Node| -> &Rows {
        let writer = graph.writers().iter().position(|other| *other == node);
        &outputs[writer.expect("a writer")]
    };
    let (layer, own) = match part {
        Component::Embedding => return written(Node::Input)[position].clone(),
        Component::Position => {
            let table = weights.position.as_ref().expect("positions");
            return table[position * config.d_model..(position + 1) * config.d_model].to_vec();
        }
        Component::Mlp { layer } => return written(Node::Mlp { layer })[position].clone(),
        Component::Head { layer, head } => {
            (layer, written(Node::Head { layer, head })[position].clone())
        }
        Component::AttentionBias { layer } => {
            let bias = weights.attention(layer).o.bias.clone();
            (layer, bias.unwrap_or_else(|| vec![0.0; config.d_model]))
        }
    };
    let block = weights.attention(layer);
    let Some(norm) = &block.post_norm else {
        return own;
    };
    let Norm::RmsNorm { eps } = config.norm else {
        panic!("only root mean squares follow attention");
    };
    let mut sum = block
        .o
        .bias
        .clone()
        .unwrap_or_else(|| vec![0.0; config.d_model]);
    for head in 0..config.n_heads {
        add(&mut sum, &written(Node::Head { layer, head })[position]);
    }
    let scale = 1.0 / (dot(&sum, &sum) / config.d_model as f64 + eps).sqrt();
    own.iter()
        .zip(&norm.gain)
        .map(|(value, gain)| value * scale * gain)
        .collect()
}

#[test]
fn parts_are_what_was_written_and_sum_to_the_stream() {
    for (name, weights, graph) in models() {
        let transformer = Transformer::new(&weights, &graph);
        let width = weights.config.d_model;
        let prompts = [tokens(&weights.config, 5, 1), tokens(&weights.config, 4, 2)];
        let at: [&[usize]; 2] = [&[1, 4], &[2]];
        let at = at.map(|at| {
            if weights.config.n_ctx > 4 {
                at
            } else {
                &at[..1]
            }
        });
        let looked: Vec<(&[u32], &[usize])> = prompts
            .iter()
            .zip(at)
            .map(|(it, at)| (&it[..], at))
            .collect();
        let places: Vec<(usize, usize)> = (0..2)
            .flat_map(|prompt| at[prompt].iter().map(move |&position| (prompt, position)))
            .collect();
        let mut sums = vec![0.0; places.len() * width];
        let mut parts = Vec::new();
        let finals = transformer.written(&looked, |part, first, written| {
            assert_eq!(first, 0, "all fit together");
            add(&mut sums, written);
            for (row, &(prompt, position)) in written.chunks_exact(width).zip(&places) {
                let wanted = plain_part(&weights, &graph, &prompts[prompt], (part, position));
                assert_close(row, &wanted, &format!("{name}, {part}"));
            }
            parts.push(part.to_string());
        });
        let finals = finals.expect("streams");
        assert_close(&sums, &finals, &format!("{name}: the sum of the parts"));
        for (row, &(prompt, position)) in finals.chunks_exact(width).zip(&places) {
            let plain = oracle::streams(&weights, &graph, &prompts[prompt]);
            assert_close(row, &plain.last().expect("places")[position], &name);
        }
        let heads = parts.iter().filter(|part| part.contains(".h")).count();
        assert_eq!(heads, weights.config.n_layers * weights.config.n_heads);
    }
}

/// The sum of the contributions in `attribution.csv`.
fn sum_of_rows(found: &Attribution) -> f64 {
    let text = attribution_csv(found);
    let rows = text.lines().skip(1);
    let contributions = rows.map(|row| -> f64 {
        let field = row.split(',').nth(3).expect("a contribution");
        field.parse().expect("a number")
    });
    contributions.sum()
}

/// Of models with biases after the stream (`LayerNorm`) and without, in single precision.
#[test]
fn the_rows_of_the_table_sum_to_the_logit() {
    for name in ["toy-gpt2", "toy-llama"] {
        let model = load_model(&format!("builtin:{name}"), Path::new(".")).expect("a model");
        let graph = graph_of(model.config(), &Granularity::default());
        let transformer = Transformer::new(&model.weights, &graph);
        let tokens = tokens(model.config(), 6, 2);
        let prompt = Attributed {
            tokens: &tokens,
            at: 5,
            of: vec![7],
            minus: Vec::new(),
        };
        let found = attribute(&transformer, &[prompt], (0, 2), &Silent).expect("figures");
        let logits = &transformer.last_logits(&[tokens])[0];
        let (sum, wanted) = (sum_of_rows(&found), f64::from(logits[7]));
        assert!((sum - wanted).abs() < 1e-4, "{name}: {sum}, not {wanted}");
        let has_bias = attribution_csv(&found).contains("\nnorm_bias,,,");
        assert_eq!(has_bias, name == "toy-gpt2", "{name}");
    }
}

#[test]
fn contributions_sum_to_the_plain_logit() {
    for (name, weights, graph) in models() {
        let transformer = Transformer::new(&weights, &graph);
        for minus in [vec![], vec![0, 2]] {
            let sequences = [tokens(&weights.config, 5, 3), tokens(&weights.config, 4, 7)];
            let prompts = sequences.each_ref().map(|tokens| Attributed {
                tokens,
                at: tokens.len() - 1,
                of: vec![1],
                minus: minus.clone(),
            });
            let found = attribute(&transformer, &prompts, (20, 4), &Silent).expect("figures");
            let parts: f64 = found.parts.iter().map(|part| part.contribution.mean).sum();
            let sum = parts + found.norm_bias + found.unembedding_bias;
            let plain = sequences.each_ref().map(|tokens| {
                let streams = oracle::streams(&weights, &graph, tokens);
                let last = &streams.last().expect("places")[tokens.len() - 1];
                [false, true].map(|capped| {
                    let logits = oracle::read_out(&weights, last, capped);
                    let less = minus
                        .iter()
                        .map(|&token| logits[token as usize])
                        .sum::<f64>();
                    logits[1] - less / minus.len().max(1) as f64
                })
            });
            let mean = |capped: usize| f64::midpoint(plain[0][capped], plain[1][capped]);
            assert_close(&[sum, found.logit.mean], &[mean(0), mean(0)], &name);
            assert_close(
                &[found.output.mean],
                &[mean(1)],
                &format!("{name}, in the output"),
            );
            assert!(found.rounding < 1e-9, "{name}: {}", found.rounding);
            assert_close(&[sum_of_rows(&found)], &[mean(0)], &format!("{name}, rows"));
            assert!(
                found
                    .parts
                    .iter()
                    .all(|part| part.random.expect("a baseline") >= 0.0)
            );
        }
    }
}
