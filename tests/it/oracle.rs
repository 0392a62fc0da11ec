//! The plain twin of the engine, in f64: one example at a time, every reader on its own, no cache, no packing,
//! no matrix product. Edges may be kept in part, so that derivatives can be taken by finite differences.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur::graph::{ComputationGraph, EdgeMask, Node, Qkv, Reader};
use secateur::model::{
    Activation, Attention, Block, Linear, Mlp, ModelConfig, Norm, NormWeights, Positions, Table,
    Unembedding, Weights,
};
use secateur::task::Example;

/// Rows of `d_model` numbers, one per position.
pub(crate) type Rows = Vec<Vec<f64>>;

/// What every writer writes, by writer number.
pub(crate) type Outputs = Vec<Rows>;

pub(crate) fn gpt2(parallel: bool) -> ModelConfig {
    ModelConfig {
        family: "gpt2".into(),
        n_layers: 4,
        n_heads: 6,
        n_kv_heads: 6,
        d_model: 12,
        d_head: 4,
        d_mlp: 20,
        d_vocab: 23,
        n_ctx: 16,
        norm: Norm::LayerNorm { eps: 1e-5 },
        positions: Positions::Learned,
        activation: Activation::GeluTanh,
        gated_mlp: false,
        parallel_blocks: parallel,
        tied_unembedding: true,
        ..ModelConfig::default()
    }
}

pub(crate) fn llama() -> ModelConfig {
    ModelConfig {
        family: "llama".into(),
        n_kv_heads: 2,
        norm: Norm::RmsNorm { eps: 1e-5 },
        positions: Positions::Rotary {
            theta: 100.0,
            dims: 4,
            scaling: None,
        },
        activation: Activation::Silu,
        gated_mlp: true,
        tied_unembedding: false,
        ..gpt2(false)
    }
}

/// Seeded random weights, biases and gains included.
pub(crate) fn random_weights(config: &ModelConfig, seed: u64) -> Weights<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = |count: usize, scale: f64| -> Vec<f64> {
        (0..count)
            .map(|_| (rng.random::<f64>() - 0.5) * 2.0 * scale)
            .collect()
    };
    let biased = matches!(config.norm, Norm::LayerNorm { .. });
    let d = config.d_model;
    let mut linear = |inputs: usize, outputs: usize, transposed: bool| Linear {
        weight: numbers(inputs * outputs, 0.5).into(),
        transposed,
        inputs,
        outputs,
        bias: biased.then(|| numbers(outputs, 0.3)),
    };
    let (heads, kv) = (
        config.n_heads * config.d_head,
        config.n_kv_heads * config.d_head,
    );
    let mut rng_norm = ChaCha8Rng::seed_from_u64(seed + 1);
    let mut norm_of = |width: usize| NormWeights {
        gain: (0..width).map(|_| 0.5 + rng_norm.random::<f64>()).collect(),
        bias: biased.then(|| (0..width).map(|_| rng_norm.random::<f64>() - 0.5).collect()),
    };
    let own = config.attention.query_key_norm;
    let blocks: Vec<_> = (0..config.n_layers)
        .map(|_| Block {
            attention: Attention {
                norm: norm_of(d),
                q: linear(d, heads, !biased),
                k: linear(d, kv, !biased),
                v: linear(d, kv, !biased),
                o: linear(heads, d, !biased),
                query_norm: own.then(|| norm_of(config.d_head)),
                key_norm: own.then(|| norm_of(config.d_head)),
                post_norm: config.post_norms.then(|| norm_of(d)),
            },
            mlp: config.has_mlps().then(|| Mlp {
                norm: norm_of(d),
                up: linear(d, config.d_mlp, !biased),
                gate: config.gated_mlp.then(|| linear(d, config.d_mlp, true)),
                down: linear(config.d_mlp, d, !biased),
                post_norm: config.post_norms.then(|| norm_of(d)),
            }),
        })
        .collect();
    let unembedding = (!config.tied_unembedding).then(|| Unembedding {
        table: Table::new(linear(d, config.d_out(), true).weight, d),
        bias: None,
    });
    let mut numbers = |count: usize, scale: f64| -> Vec<f64> {
        (0..count)
            .map(|_| (rng.random::<f64>() - 0.5) * 2.0 * scale)
            .collect()
    };
    Weights {
        embedding: Table::new(numbers(config.d_vocab * d, 1.0), d),
        position: matches!(config.positions, Positions::Learned)
            .then(|| numbers(config.n_ctx * d, 0.5).into()),
        blocks: blocks.into(),
        final_norm: norm_of(d),
        unembedding,
        config: config.clone(),
    }
}

/// Pairs of random prompts of several lengths that differ from a random position on.
pub(crate) fn random_examples(config: &ModelConfig, count: usize, seed: u64) -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = config.d_vocab as u32;
    (0..count)
        .map(|_| {
            let len = rng.random_range(3..9);
            let clean: Vec<u32> = (0..len).map(|_| rng.random_range(0..vocabulary)).collect();
            let mut corrupt = clean.clone();
            let first = rng.random_range(0..len);
            for token in &mut corrupt[first..] {
                if rng.random::<f64>() < 0.5 {
                    *token = rng.random_range(0..vocabulary);
                }
            }
            corrupt[first] = (clean[first] + 1) % vocabulary;
            let vocabulary = config.d_out() as u32;
            let answer = rng.random_range(0..vocabulary);
            let at = if rng.random::<f64>() < 0.3 && len > 3 {
                vec![len - 3, len - 1]
            } else {
                vec![len - 1]
            };
            Example {
                clean,
                corrupt,
                answer: vec![answer, (answer + 1) % vocabulary],
                wrong: vec![(answer + 2) % vocabulary],
                at,
                teacher_forced: false,
                text: None,
            }
        })
        .collect()
}

/// Random pairs of two lengths, half of each, so that every example has others of its length.
pub(crate) fn paired_examples(config: &ModelConfig, count: usize, seed: u64) -> Vec<Example> {
    let of_length = |length: usize| {
        let examples = random_examples(config, 40 * count, seed).into_iter();
        examples
            .filter(move |example| example.clean.len() == length)
            .take(count.div_ceil(2).max(2))
    };
    of_length(5).chain(of_length(8)).collect()
}

pub(crate) fn random_mask(graph: &ComputationGraph, share: f64, seed: u64) -> EdgeMask {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    EdgeMask::from_edges(
        graph,
        (0..graph.edge_count()).filter(|_| rng.random::<f64>() < share),
    )
}

pub(crate) fn kept_weights(graph: &ComputationGraph, mask: &EdgeMask) -> Vec<f64> {
    let mut weights = vec![0.0; graph.edge_count()];
    for edge in mask.edges(graph) {
        weights[edge] = 1.0;
    }
    weights
}

/// Runs one prompt. Edge `u -> v` carries `w o_u(run) + (1 - w) o_u(ablated)`. Returns logits by position and what
/// every writer wrote in this run. `embedded` overrides the token embeddings.
#[expect(
    clippy::too_many_lines,
    reason = "the whole run, plainly, in one place"
)]
pub(crate) fn run(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    embedded: &Rows,
    ablated: &Outputs,
    kept: &[f64],
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
            let w = kept[graph.edge(writer, index).expect("an edge")];
            let normed_sum = match graph.writers()[writer] {
                Node::Head { layer, head } if config.post_norms => Some((layer, head)),
                _ => None,
            };
            for position in 0..len {
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
        for row in &mlp_reads {
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
        .map(|row| {
            let normed = norm(config.norm, &weights.final_norm, row);
            let logits: Vec<f64> = match &weights.unembedding {
                Some(map) => products(&map.table, &normed)
                    .iter()
                    .enumerate()
                    .map(|(token, logit)| logit + map.bias.as_ref().map_or(0.0, |bias| bias[token]))
                    .collect(),
                None => products(&weights.embedding, &normed),
            };
            let capped = |logit: &f64| cap(config.logit_soft_cap, *logit);
            logits.iter().map(capped).collect()
        })
        .collect();
    (logits, outputs)
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

fn apply(map: &Linear<f64>, x: &[f64]) -> Vec<f64> {
    (0..map.outputs)
        .map(|output| {
            let sum: f64 = (0..map.inputs)
                .map(|input| {
                    let index = if map.transposed {
                        output * map.inputs + input
                    } else {
                        input * map.outputs + output
                    };
                    x[input] * map.weight[index]
                })
                .sum();
            sum + map.bias.as_ref().map_or(0.0, |bias| bias[output])
        })
        .collect()
}

fn norm(kind: Norm, weights: &NormWeights<f64>, x: &[f64]) -> Vec<f64> {
    let count = x.len() as f64;
    let (mean, eps) = match kind {
        Norm::LayerNorm { eps } => (x.iter().sum::<f64>() / count, eps),
        Norm::RmsNorm { eps } => (0.0, eps),
        Norm::None => return x.to_vec(),
    };
    let variance = x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    x.iter()
        .enumerate()
        .map(|(index, value)| {
            (value - mean) / (variance + eps).sqrt() * weights.gain[index]
                + weights.bias.as_ref().map_or(0.0, |bias| bias[index])
        })
        .collect()
}

fn activation(kind: Activation, x: f64) -> f64 {
    match kind {
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
    }
}

fn rotate(config: &ModelConfig, layer: usize, x: &mut [f64], position: usize) {
    let Positions::Rotary {
        theta,
        dims,
        scaling,
    } = &config.positions
    else {
        return;
    };
    let local = config.attention.local.as_ref();
    let local = local.filter(|local| local.layers.contains(&layer));
    let local = local.and_then(|local| local.theta);
    let half = dims / 2;
    let old = x.to_vec();
    for pair in 0..half {
        let (factor, magnitude) = match (scaling, local) {
            (Some(scaling), None) => (scaling.factors[pair], scaling.magnitude),
            _ => (1.0, 1.0),
        };
        let theta = local.unwrap_or(*theta);
        let angle = position as f64 * theta.powf(-2.0 * pair as f64 / *dims as f64) / factor;
        let (cos, sin) = (magnitude * angle.cos(), magnitude * angle.sin());
        x[pair] = old[pair] * cos - old[pair + half] * sin;
        x[pair + half] = old[pair + half] * cos + old[pair] * sin;
    }
}

fn sees(config: &ModelConfig, layer: usize, query: usize, key: usize) -> bool {
    let local = config.attention.local.as_ref();
    let local = local.filter(|local| local.layers.contains(&layer));
    (config.attention.bidirectional || key <= query)
        && local.is_none_or(|local| key + local.window > query)
}

fn cap(cap: Option<f64>, value: f64) -> f64 {
    cap.map_or(value, |cap| cap * (value / cap).tanh())
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(target: &mut [f64], source: &[f64]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += source;
    }
}
