//! Small shapes with what model families add to the plain block.

use secateur::model::{
    Activation, AttentionConfig, LocalAttention, ModelConfig, Norm, Positions, RotaryScaling,
};

use crate::oracle::{gpt2, llama};

/// Blocks without MLPs.
pub(crate) fn attention_only() -> ModelConfig {
    ModelConfig {
        d_mlp: 0,
        ..gpt2(false)
    }
}

/// As compiled models are: no norm, all positions seen, a few outputs.
pub(crate) fn compiled() -> ModelConfig {
    ModelConfig {
        norm: Norm::None,
        activation: Activation::Relu,
        attention: AttentionConfig {
            bidirectional: true,
            ..AttentionConfig::default()
        },
        tied_unembedding: false,
        d_out: Some(5),
        ..gpt2(false)
    }
}

/// Rotary with scaling, partly rotated heads, windows with another base, caps, norms of queries and keys.
pub(crate) fn local() -> ModelConfig {
    ModelConfig {
        positions: Positions::Rotary {
            theta: 100.0,
            dims: 2,
            scaling: Some(RotaryScaling {
                factors: vec![1.7],
                magnitude: 1.2,
            }),
        },
        attention: AttentionConfig {
            scale: Some(0.4),
            soft_cap: Some(1.5),
            query_key_norm: true,
            local: Some(LocalAttention {
                window: 3,
                layers: vec![1, 3],
                theta: Some(10.0),
            }),
            ..AttentionConfig::default()
        },
        embedding_scale: Some(3.0),
        logit_soft_cap: Some(2.0),
        ..llama()
    }
}

/// As Gemma is: the sums of heads and the MLPs' outputs are normed again.
pub(crate) fn post_norms() -> ModelConfig {
    ModelConfig {
        post_norms: true,
        ..local()
    }
}
