//! Random weights to start from, under Hugging Face's names.
//!
//! Normal, except that the first heads of the first layer start by looking one token back, which is what is learned
//! slowest. Under rotary positions they use a part that all token embeddings share, under learned ones waves in the
//! position embedding.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use secateur::model::ModelConfig;

use crate::shape::THETA;

/// Standard deviation of token embeddings.
const EMBEDDING: f64 = 0.1;

/// Size of the constant part of rotary queries and keys that look one token back.
const CONSTANT: f32 = 0.6;

/// Waves that tell one token back.
const WAVES: usize = 3;

/// How strongly queries and keys read a wave of the position embedding.
const WAVE: f32 = 3.5;

/// Values and dimensions of a parameter.
pub(crate) type Parameter = (Vec<f32>, Vec<usize>);

/// All parameters of a model.
pub(crate) fn parameters(shape: &ModelConfig, rng: &mut ChaCha8Rng) -> BTreeMap<String, Parameter> {
    let mut made = BTreeMap::new();
    let d = shape.d_model;
    let shared = normals(rng, d, EMBEDDING);
    for layer in 0..shape.n_layers {
        attention(shape, layer, &shared, rng, &mut made);
        mlp(shape, layer, rng, &mut made);
    }
    let mut add = |name: &str, values: Vec<f32>, dims: &[usize]| {
        made.insert(name.to_owned(), (values, dims.to_vec()))
    };
    let tokens = normals(rng, shape.d_vocab * d, EMBEDDING);
    if shape.family == "gpt2" {
        add("wte.weight", tokens, &[shape.d_vocab, d]);
        add("wpe.weight", positions(shape, rng), &[shape.n_ctx, d]);
        add("ln_f.weight", vec![1.0; d], &[d]);
        add("ln_f.bias", vec![0.0; d], &[d]);
    } else {
        let embedding = tokens
            .iter()
            .zip(shared.iter().cycle())
            .map(|(own, shared)| own + shared)
            .collect();
        add("model.embed_tokens.weight", embedding, &[shape.d_vocab, d]);
        add("lm_head.weight", tokens, &[shape.d_vocab, d]);
        add("model.norm.weight", vec![1.0; d], &[d]);
    }
    made
}

fn attention(
    shape: &ModelConfig,
    layer: usize,
    shared: &[f32],
    rng: &mut ChaCha8Rng,
    made: &mut BTreeMap<String, Parameter>,
) {
    let (d, heads, groups) = (
        shape.d_model,
        shape.n_heads * shape.d_head,
        shape.n_kv_heads * shape.d_head,
    );
    let scale = (1.0 / d as f64).sqrt();
    // [out, in]
    let mut k = normals(rng, groups * d, scale);
    let v = normals(rng, groups * d, scale);
    let mut q = normals(rng, heads * d, scale);
    if layer == 0 {
        look_back(shape, shared, &mut q, &mut k);
    }
    let output = scale / (2.0 * shape.n_layers as f64).sqrt();
    let o = normals(rng, heads * d, output); // [in, out]
    let mut add =
        |name: String, values: Vec<f32>, dims: &[usize]| made.insert(name, (values, dims.to_vec()));
    if shape.family == "gpt2" {
        let name = |rest: &str| format!("h.{layer}.{rest}");
        let fused = transposed(&[q, k, v].concat(), d);
        add(name("attn.c_attn.weight"), fused, &[d, 3 * heads]);
        add(name("attn.c_attn.bias"), vec![0.0; 3 * heads], &[3 * heads]);
        add(name("attn.c_proj.weight"), o, &[heads, d]);
        add(name("attn.c_proj.bias"), vec![0.0; d], &[d]);
        for norm in ["ln_1", "ln_2"] {
            add(name(&format!("{norm}.weight")), vec![1.0; d], &[d]);
            add(name(&format!("{norm}.bias")), vec![0.0; d], &[d]);
        }
    } else {
        let name = |rest: &str| format!("model.layers.{layer}.{rest}.weight");
        add(name("self_attn.q_proj"), q, &[heads, d]);
        add(name("self_attn.k_proj"), k, &[groups, d]);
        add(name("self_attn.v_proj"), v, &[groups, d]);
        add(name("self_attn.o_proj"), transposed(&o, d), &[d, heads]);
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            add(name(norm), vec![1.0; d], &[d]);
        }
    }
}

fn mlp(
    shape: &ModelConfig,
    layer: usize,
    rng: &mut ChaCha8Rng,
    made: &mut BTreeMap<String, Parameter>,
) {
    let (d, hidden) = (shape.d_model, shape.d_mlp);
    let scale = (1.0 / d as f64).sqrt();
    let mut add =
        |name: String, values: Vec<f32>, dims: &[usize]| made.insert(name, (values, dims.to_vec()));
    if shape.family == "gpt2" {
        let name = |rest: &str| format!("h.{layer}.mlp.{rest}");
        add(
            name("c_fc.weight"),
            normals(rng, d * hidden, scale),
            &[d, hidden],
        );
        add(name("c_fc.bias"), vec![0.0; hidden], &[hidden]);
        add(
            name("c_proj.weight"),
            normals(rng, hidden * d, 0.3 * scale),
            &[hidden, d],
        );
        add(name("c_proj.bias"), vec![0.0; d], &[d]);
    } else {
        let name = |rest: &str| format!("model.layers.{layer}.mlp.{rest}.weight");
        add(
            name("gate_proj"),
            normals(rng, hidden * d, scale),
            &[hidden, d],
        );
        add(
            name("up_proj"),
            normals(rng, hidden * d, scale),
            &[hidden, d],
        );
        add(
            name("down_proj"),
            normals(rng, d * hidden, 0.3 * scale),
            &[d, hidden],
        );
    }
}

/// Turns per position of the waves that tell one token back.
fn speeds(shape: &ModelConfig) -> [f64; WAVES] {
    std::array::from_fn(|wave| THETA.powf(-2.0 * wave as f64 / shape.d_head as f64))
}

/// The learned position embedding: waves in the first dimensions (cosines, then sines), noise in the others.
fn positions(shape: &ModelConfig, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut values = normals(rng, shape.n_ctx * shape.d_model, EMBEDDING);
    for (position, row) in values.chunks_mut(shape.d_model).enumerate() {
        for (wave, speed) in speeds(shape).into_iter().enumerate() {
            let turn = position as f64 * speed;
            row[wave] = (1.4 * EMBEDDING * turn.cos()) as f32;
            row[wave + WAVES] = (1.4 * EMBEDDING * turn.sin()) as f32;
        }
    }
    values
}

/// Makes the heads of the first group attend one token back: the score of a key is a sum of cosines of its distance
/// less one. Rotary heads get constant keys and queries, the queries turned back by one position; others read the
/// waves of the position embedding, the queries turned likewise.
fn look_back(shape: &ModelConfig, shared: &[f32], q: &mut [f32], k: &mut [f32]) {
    let (d, half) = (shape.d_model, shape.d_head / 2);
    let length = shared.iter().map(|value| value * value).sum::<f32>().sqrt();
    for (wave, speed) in speeds(shape).into_iter().enumerate() {
        let (cos, sin) = (speed.cos() as f32, speed.sin() as f32);
        if shape.family == "gpt2" {
            let [c, s] = [wave, wave + WAVES];
            k[wave * d + c] += WAVE;
            k[(wave + half) * d + s] += WAVE;
            q[wave * d + c] += WAVE * cos;
            q[wave * d + s] += WAVE * sin;
            q[(wave + half) * d + s] += WAVE * cos;
            q[(wave + half) * d + c] -= WAVE * sin;
            continue;
        }
        let add = |matrix: &mut [f32], row: usize, amount: f32| {
            for (value, shared) in matrix[row * d..(row + 1) * d].iter_mut().zip(shared) {
                *value += amount * shared / length;
            }
        };
        add(k, wave, CONSTANT);
        for head in 0..shape.group_size() {
            add(q, head * shape.d_head + wave, CONSTANT * cos);
            add(q, head * shape.d_head + wave + half, -CONSTANT * sin);
        }
    }
}

/// A matrix with rows of `width` numbers, transposed.
fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    (0..width)
        .flat_map(|column| matrix.iter().skip(column).step_by(width).copied())
        .collect()
}

/// Normally distributed numbers.
fn normals(rng: &mut ChaCha8Rng, count: usize, scale: f64) -> Vec<f32> {
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut one = || {
        let (radius, turn) = (
            (1.0 - uniform()).ln() * -2.0,
            uniform() * std::f64::consts::TAU,
        );
        (scale * radius.sqrt() * turn.cos()) as f32
    };
    (0..count).map(|_| one()).collect()
}
