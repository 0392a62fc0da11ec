//! Small models with random weights, random examples and random circuits.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur::graph::{ComputationGraph, EdgeMask};
use secateur::model::{
    Activation, Attention, Block, Linear, Mlp, ModelConfig, Norm, NormWeights, Positions, Table,
    Unembedding, Weights,
};
use secateur::task::Example;

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
                spans: Vec::new(),
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
