//! The plain twin of the engine, in f64: one example at a time, every reader on its own, no cache, no packing,
//! no matrix product. Edges may be kept in part, so that derivatives can be taken by finite differences.

mod parts;
mod random;
mod stream;

use secateur::graph::{ComputationGraph, EdgeMask, Node, Qkv, Reader};
use secateur::model::{Linear, Table, Weights};
use secateur::task::Example;

pub(crate) use self::parts::{activation, add, apply, cap, dot, norm, rotate, sees};
pub(crate) use self::random::{
    gpt2, llama, paired_examples, random_examples, random_mask, random_weights,
};
pub(crate) use self::stream::{from_stream, onwards, plain};

/// Rows of `d_model` numbers, one per position.
pub(crate) type Rows = Vec<Vec<f64>>;

/// What every writer writes, by writer number.
pub(crate) type Outputs = Vec<Rows>;

pub(crate) fn kept_weights(graph: &ComputationGraph, mask: &EdgeMask) -> Vec<f64> {
    let mut weights = vec![0.0; graph.edge_count()];
    for edge in mask.edges(graph) {
        weights[edge] = 1.0;
    }
    weights
}

/// Runs one prompt. Edge `u -> v` carries `w o_u(run) + (1 - w) o_u(ablated)`. Returns logits by position and what
/// every writer wrote in this run. `kept` is one number an edge, or one an edge and position. `embedded` overrides the token embeddings.
pub(crate) fn run(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    embedded: &Rows,
    ablated: &Outputs,
    kept: &[f64],
) -> (Rows, Outputs) {
    run_changed(weights, graph, embedded, ablated, kept, &mut |_, _, _| {})
}

/// As [`run`], with the hidden units of every MLP shown and changed: `change(layer, position, units)`.
#[expect(
    clippy::too_many_lines,
    reason = "the whole run, plainly, in one place"
)]
pub(crate) fn run_changed(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    embedded: &Rows,
    ablated: &Outputs,
    kept: &[f64],
    change: &mut dyn FnMut(usize, usize, &mut [f64]),
) -> (Rows, Outputs) {
    let config = &weights.config;
    let len = embedded.len();
    let position_writer = graph.writers().get(1) == Some(&Node::Position);
    let position_row = |position: usize| -> Vec<f64> {
        weights
            .position
            .as_ref()
            .map_or(vec![0.0; config.d_model], |table| {
                table[position * config.d_model..(position + 1) * config.d_model].to_vec()
            })
    };
    let mut outputs: Outputs = vec![embedded.clone()];
    if position_writer {
        outputs.push((0..len).map(position_row).collect());
    }
    let mut free: Rows = (0..len)
        .map(|position| {
            if position_writer {
                vec![0.0; config.d_model]
            } else {
                position_row(position)
            }
        })
        .collect();
    let read = |reader: Reader, outputs: &Outputs, free: &Rows| -> Rows {
        let index = graph.reader(reader).expect("a reader of the graph");
        let mut x = free.clone();
        let mut heads: Rows = vec![vec![0.0; config.d_model]; len];
        for writer in 0..graph.writers_before(index) {
            let edge = graph.edge(writer, index).expect("an edge");
            let normed_sum = match graph.writers()[writer] {
                Node::Head { layer, head } if config.post_norms => Some((layer, head)),
                _ => None,
            };
            for position in 0..len {
                let w = if kept.len() == graph.edge_count() {
                    kept[edge]
                } else {
                    kept[edge * len + position]
                };
                let row = if normed_sum.is_some() {
                    &mut heads[position]
                } else {
                    &mut x[position]
                };
                for column in 0..config.d_model {
                    row[column] += w * outputs[writer][position][column]
                        + (1.0 - w) * ablated[writer][position][column];
                }
            }
            if let Some((layer, head)) = normed_sum
                && head + 1 == config.n_heads
            {
                let block = weights.attention(layer);
                let weights = block.post_norm.as_ref().expect("a post-norm");
                for (row, sum) in x.iter_mut().zip(&mut heads) {
                    add(sum, block.o.bias.as_deref().unwrap_or_default());
                    add(row, &norm(config.norm, weights, sum));
                    sum.fill(0.0);
                }
            }
        }
        x
    };
    for layer in 0..config.n_layers {
        let block = weights.attention(layer);
        let has = |part: Option<Qkv>, head: usize| {
            graph.reader(Reader::Head { layer, head, part }).is_some()
        };
        let reader_of = |part: Qkv, head: usize| {
            if has(None, head) {
                return Reader::Head {
                    layer,
                    head,
                    part: None,
                };
            }
            let group = config.n_heads / config.n_kv_heads;
            let named = if has(Some(part), head) {
                head
            } else {
                head / group * group
            };
            Reader::Head {
                layer,
                head: named,
                part: Some(part),
            }
        };
        let mut heads = Vec::new();
        for head in 0..config.n_heads {
            let kv = head / (config.n_heads / config.n_kv_heads);
            let project = |part: Qkv, map: &Linear<f64>, index: usize| -> Rows {
                let x = read(reader_of(part, head), &outputs, &free);
                x.iter()
                    .map(|row| {
                        let normed = norm(config.norm, &block.norm, row);
                        let all = apply(map, &normed);
                        all[index * config.d_head..(index + 1) * config.d_head].to_vec()
                    })
                    .collect()
            };
            let mut q = project(Qkv::Q, &block.q, head);
            let mut k = project(Qkv::K, &block.k, kv);
            let v = project(Qkv::V, &block.v, kv);
            for position in 0..len {
                if let (Some(q_norm), Some(k_norm)) = (&block.query_norm, &block.key_norm) {
                    q[position] = norm(config.norm, q_norm, &q[position]);
                    k[position] = norm(config.norm, k_norm, &k[position]);
                }
                rotate(config, layer, &mut q[position], position);
                rotate(config, layer, &mut k[position], position);
            }
            let written = (0..len)
                .map(|query| {
                    let keys: Vec<usize> = (0..len)
                        .filter(|&key| sees(config, layer, query, key))
                        .collect();
                    let scores: Vec<f64> = keys
                        .iter()
                        .map(|&key| {
                            let plain = 1.0 / (config.d_head as f64).sqrt();
                            let scale = config.attention.scale.unwrap_or(plain);
                            cap(config.attention.soft_cap, dot(&q[query], &k[key]) * scale)
                        })
                        .collect();
                    let total: f64 = scores.iter().map(|score| score.exp()).sum();
                    let mut z = vec![0.0; config.n_heads * config.d_head];
                    for (&key, score) in keys.iter().zip(&scores) {
                        for column in 0..config.d_head {
                            z[head * config.d_head + column] +=
                                score.exp() / total * v[key][column];
                        }
                    }
                    let unbiased = Linear {
                        bias: None,
                        ..block.o.clone()
                    };
                    apply(&unbiased, &z)
                })
                .collect();
            heads.push(written);
        }
        let free_before = free.clone();
        if let (Some(bias), false) = (&block.o.bias, config.post_norms) {
            for row in &mut free {
                add(row, bias);
            }
        }
        let before_heads = outputs.clone();
        outputs.extend(heads);
        let Some(weights) = weights.mlp(layer) else {
            continue;
        };
        let mlp_reads = if config.parallel_blocks {
            read(Reader::Mlp { layer }, &before_heads, &free_before)
        } else {
            read(Reader::Mlp { layer }, &outputs, &free)
        };
        let nodes = graph.neurons().get(&layer).cloned().unwrap_or_default();
        let mut mlp: Rows = Vec::new();
        let mut neurons: Vec<Rows> = vec![Vec::new(); nodes.len()];
        for (position, row) in mlp_reads.iter().enumerate() {
            let normed = norm(config.norm, &weights.norm, row);
            let projected = apply(&weights.up, &normed);
            let mut hidden: Vec<f64> = match &weights.gate {
                Some(gate) => apply(gate, &normed)
                    .iter()
                    .zip(&projected)
                    .map(|(gate, x)| activation(config.activation, *gate) * x)
                    .collect(),
                None => projected
                    .iter()
                    .map(|x| activation(config.activation, *x))
                    .collect(),
            };
            change(layer, position, &mut hidden);
            let unbiased = Linear {
                bias: None,
                ..weights.down.clone()
            };
            for (index, &neuron) in nodes.iter().enumerate() {
                let mut alone = vec![0.0; config.d_mlp];
                alone[neuron] = std::mem::take(&mut hidden[neuron]);
                neurons[index].push(apply(&unbiased, &alone));
            }
            let map = if nodes.is_empty() {
                &weights.down
            } else {
                &unbiased
            };
            let output = apply(map, &hidden);
            mlp.push(match &weights.post_norm {
                Some(weights) => norm(config.norm, weights, &output),
                None => output,
            });
        }
        if !nodes.is_empty()
            && let Some(bias) = &weights.down.bias
        {
            for row in &mut free {
                add(row, bias);
            }
        }
        outputs.push(mlp);
        outputs.extend(neurons);
    }
    let finals = read(Reader::Logits, &outputs, &free);
    let logits = finals
        .iter()
        .map(|row| read_out(weights, row, true))
        .collect();
    (logits, outputs)
}

/// The logits of a final stream; before the soft cap, where there is one, unless it is `capped`.
pub(crate) fn read_out(weights: &Weights<f64>, stream: &[f64], capped: bool) -> Vec<f64> {
    let config = &weights.config;
    let normed = norm(config.norm, &weights.final_norm, stream);
    let logits: Vec<f64> = match &weights.unembedding {
        Some(map) => products(&map.table, &normed)
            .iter()
            .enumerate()
            .map(|(token, logit)| logit + map.bias.as_ref().map_or(0.0, |bias| bias[token]))
            .collect(),
        None => products(&weights.embedding, &normed),
    };
    let limit = config.logit_soft_cap.filter(|_| capped);
    logits.iter().map(|logit| cap(limit, *logit)).collect()
}

/// The stream at every place of a full run, summed plainly: before the first block, then after each attention and each
/// layer, `[1 + 2 n_layers][positions]`.
pub(crate) fn streams(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    tokens: &[u32],
) -> Vec<Rows> {
    let config = &weights.config;
    let (_, outputs) = full_run(weights, graph, tokens);
    let written = |node: Node| -> &Rows {
        let writer = graph.writers().iter().position(|other| *other == node);
        &outputs[writer.expect("a writer")]
    };
    let mut x = written(Node::Input).clone();
    if let Some(table) = &weights.position {
        for (position, row) in x.iter_mut().enumerate() {
            add(
                row,
                &table[position * config.d_model..(position + 1) * config.d_model],
            );
        }
    }
    let mut places = vec![x.clone()];
    for layer in 0..config.n_layers {
        let block = weights.attention(layer);
        for (position, row) in x.iter_mut().enumerate() {
            let mut sum = block
                .o
                .bias
                .clone()
                .unwrap_or_else(|| vec![0.0; config.d_model]);
            for head in 0..config.n_heads {
                add(&mut sum, &written(Node::Head { layer, head })[position]);
            }
            match &block.post_norm {
                Some(weights) => add(row, &norm(config.norm, weights, &sum)),
                None => add(row, &sum),
            }
        }
        places.push(x.clone());
        if config.has_mlps() {
            for (row, mlp) in x.iter_mut().zip(written(Node::Mlp { layer })) {
                add(row, mlp);
            }
        }
        places.push(x.clone());
    }
    places
}

/// Inner products of all rows of a table with one.
fn products(table: &Table<f64>, row: &[f64]) -> Vec<f64> {
    let all: Vec<usize> = (0..table.len()).collect();
    let rows = table.gather(&all);
    rows.chunks_exact(row.len())
        .map(|other| dot(other, row))
        .collect()
}

pub(crate) fn embed(weights: &Weights<f64>, tokens: &[u32]) -> Rows {
    tokens
        .iter()
        .map(|&token| {
            let row = weights.embedding.gather(&[token as usize]);
            let scale = weights.config.embedding_scale.unwrap_or(1.0);
            row.iter().map(|value| scale * value).collect()
        })
        .collect()
}

/// The full model's logits on tokens with hidden units changed.
pub(crate) fn logits_changed(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    tokens: &[u32],
    change: &mut dyn FnMut(usize, usize, &mut [f64]),
) -> Rows {
    let embedded = embed(weights, tokens);
    let zeros = vec![vec![vec![0.0; weights.config.d_model]; tokens.len()]; graph.writers().len()];
    let all = vec![1.0; graph.edge_count()];
    run_changed(weights, graph, &embedded, &zeros, &all, change).0
}

/// The full model's run on tokens.
pub(crate) fn full_run(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    tokens: &[u32],
) -> (Rows, Outputs) {
    let embedded = embed(weights, tokens);
    let zeros = vec![vec![vec![0.0; weights.config.d_model]; tokens.len()]; graph.writers().len()];
    run(
        weights,
        graph,
        &embedded,
        &zeros,
        &vec![1.0; graph.edge_count()],
    )
}

/// Mean of the clean runs' outputs over examples and positions, or per position.
pub(crate) fn means(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    examples: &[Example],
    positional: bool,
) -> Vec<Rows> {
    let longest = examples
        .iter()
        .map(|example| example.clean.len())
        .max()
        .expect("examples");
    let d = weights.config.d_model;
    let mut sums = vec![vec![vec![0.0; d]; longest]; graph.writers().len()];
    let mut counts = vec![0.0; longest];
    for example in examples {
        let (_, outputs) = full_run(weights, graph, &example.clean);
        for position in 0..example.clean.len() {
            let target = if positional { position } else { 0 };
            counts[target] += 1.0;
            for (sum, output) in sums.iter_mut().zip(&outputs) {
                add(&mut sum[target], &output[position]);
            }
        }
    }
    for sum in &mut sums {
        for position in 0..longest {
            let from = if positional { position } else { 0 };
            let row: Vec<f64> = sum[from].iter().map(|value| value / counts[from]).collect();
            if positional || position == 0 {
                sum[position] = row;
            } else {
                let all = sum[0].clone();
                sum[position] = all;
            }
        }
    }
    sums
}
