//! A plain forward pass, one prompt at a time and number by number, in which representations can be changed; dictionaries
//! likewise.

use secateur::analyze::feature_circuit::SaeAtSite;
use secateur::analyze::sae::SaeKind;
use secateur::engine::Representation;
use secateur::model::Weights;
use secateur::task::Example;

use crate::oracle::{self, Rows, activation, add, apply, cap, dot, norm, rotate, sees};

/// The logits of a prompt at every position; `change` is called with every representation as it is computed.
#[expect(
    clippy::too_many_lines,
    reason = "one plain pass, to be read from top to bottom"
)]
pub(super) fn logits(
    weights: &Weights<f64>,
    tokens: &[u32],
    change: &mut dyn FnMut((usize, Representation), &mut Rows),
) -> Rows {
    let config = &weights.config;
    let mut x = oracle::embed(weights, tokens);
    if let Some(table) = &weights.position {
        for (position, row) in x.iter_mut().enumerate() {
            let d = config.d_model;
            add(row, &table[position * d..(position + 1) * d]);
        }
    }
    let d_head = config.d_head;
    for layer in 0..config.n_layers {
        let block = weights.attention(layer);
        let normed: Rows = x
            .iter()
            .map(|row| norm(config.norm, &block.norm, row))
            .collect();
        let rotated = |map: &secateur::model::Linear<f64>| -> Rows {
            let project = |(position, row): (usize, &Vec<f64>)| {
                let mut out = apply(map, row);
                for head in out.chunks_exact_mut(d_head) {
                    rotate(config, layer, head, position);
                }
                out
            };
            normed.iter().enumerate().map(project).collect()
        };
        let (q, k) = (rotated(&block.q), rotated(&block.k));
        let v: Rows = normed.iter().map(|row| apply(&block.v, row)).collect();
        let mut z: Rows = vec![Vec::new(); x.len()];
        for (query, z) in z.iter_mut().enumerate() {
            for head in 0..config.n_heads {
                let kv = head / (config.n_heads / config.n_kv_heads) * d_head;
                let own = &q[query][head * d_head..(head + 1) * d_head];
                let keys: Vec<usize> = (0..x.len())
                    .filter(|&key| sees(config, layer, query, key))
                    .collect();
                let score = |&key: &usize| {
                    let scale = 1.0 / (d_head as f64).sqrt();
                    let product = dot(own, &k[key][kv..kv + d_head]);
                    cap(
                        config.attention.soft_cap,
                        product * config.attention.scale.unwrap_or(scale),
                    )
                    .exp()
                };
                let scores: Vec<f64> = keys.iter().map(score).collect();
                let total: f64 = scores.iter().sum();
                z.extend((kv..kv + d_head).map(|column| {
                    let products = keys
                        .iter()
                        .zip(&scores)
                        .map(|(&key, score)| score * v[key][column]);
                    products.sum::<f64>() / total
                }));
            }
        }
        change((layer, Representation::Heads), &mut z);
        let before = x.clone();
        for (row, z) in x.iter_mut().zip(&z) {
            add(row, &apply(&block.o, z));
        }
        let mlp = weights.mlp(layer).expect("an MLP");
        let reads = if config.parallel_blocks { &before } else { &x };
        let mut written: Rows = reads
            .iter()
            .map(|row| {
                let normed = norm(config.norm, &mlp.norm, row);
                let mut hidden = apply(&mlp.up, &normed);
                match &mlp.gate {
                    Some(gate) => {
                        for (value, gate) in hidden.iter_mut().zip(apply(gate, &normed)) {
                            *value *= activation(config.activation, gate);
                        }
                    }
                    None => {
                        for value in &mut hidden {
                            *value = activation(config.activation, *value);
                        }
                    }
                }
                apply(&mlp.down, &hidden)
            })
            .collect();
        change((layer, Representation::Mlp), &mut written);
        for (row, written) in x.iter_mut().zip(&written) {
            add(row, written);
        }
        change((layer, Representation::Stream), &mut x);
    }
    let logits = x.iter().map(|row| {
        let normed = norm(config.norm, &weights.final_norm, row);
        let table = weights
            .unembedding
            .as_ref()
            .map_or(&weights.embedding, |map| &map.table);
        let bias = weights
            .unembedding
            .as_ref()
            .and_then(|map| map.bias.as_ref());
        let logit = |token: usize| {
            let bias = bias.map_or(0.0, |bias| bias[token]);
            dot(&table.gather(&[token]), &normed) + bias
        };
        (0..config.d_vocab).map(logit).collect()
    });
    logits.collect()
}

/// The mean difference of the logits of answers and wrong answers at the positions read.
pub(super) fn logit_diff(example: &Example, logits: &Rows) -> f64 {
    let mean = |at: usize, tokens: &[u32]| {
        let values = tokens.iter().map(|&token| logits[at][token as usize]);
        values.sum::<f64>() / tokens.len() as f64
    };
    let at = example.at.iter();
    let values = at.map(|&at| mean(at, &example.answer) - mean(at, &example.wrong));
    values.sum::<f64>() / example.at.len() as f64
}

/// The activations of all features on a row, in units of the row.
pub(super) fn features(placed: &SaeAtSite<f64>, row: &[f64]) -> Vec<f64> {
    let it = &placed.dictionary;
    let mut codes: Vec<f64> = (0..it.features)
        .map(|feature| {
            let inputs = (0..it.width).map(|input| {
                (it.scale * row[input] - it.decoder_bias[input])
                    * it.encoder[input * it.features + feature]
            });
            let projected: f64 = inputs.sum();
            let before = projected + it.encoder_bias[feature];
            match it.kind {
                SaeKind::JumpRelu { .. } if before <= it.sparsity[feature].exp() => 0.0,
                SaeKind::Gated { .. } if before <= 0.0 => 0.0,
                SaeKind::Gated { .. } => {
                    let scale = it.sparsity[feature].exp();
                    (scale * projected + it.sparsity[it.features + feature]).max(0.0)
                }
                _ => before.max(0.0),
            }
        })
        .collect();
    if let SaeKind::TopK { k } = it.kind {
        let mut order: Vec<usize> = (0..codes.len()).collect();
        order.sort_by(|&a, &b| codes[b].total_cmp(&codes[a]));
        for &feature in &order[k..] {
            codes[feature] = 0.0;
        }
    }
    codes.iter().map(|code| code / it.scale).collect()
}

/// What features make of a row, with the decoder's bias.
pub(super) fn made_of(placed: &SaeAtSite<f64>, features: &[f64]) -> Vec<f64> {
    let it = &placed.dictionary;
    (0..it.width)
        .map(|column| {
            let made = features.iter().enumerate();
            let made = made.map(|(feature, by)| by * it.decoder[feature * it.width + column]);
            made.sum::<f64>() + it.decoder_bias[column] / it.scale
        })
        .collect()
}

/// What a dictionary leaves of a row.
pub(super) fn error(placed: &SaeAtSite<f64>, row: &[f64]) -> Vec<f64> {
    let made = made_of(placed, &features(placed, row));
    row.iter()
        .zip(made)
        .map(|(value, made)| value - made)
        .collect()
}
