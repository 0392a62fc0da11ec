//! The two toy models: their shapes and their config.json in Hugging Face's schema.

use secateur::model::{Activation, ModelConfig, Norm, Positions};
use serde_json::{Value, json};

/// The names of the models.
pub(crate) const NAMES: [&str; 2] = ["toy-gpt2", "toy-llama"];

/// Epsilon of both families' norms.
pub(crate) const EPS: f64 = 1e-5;

/// Base of the rotary frequencies: small, since prompts are short.
pub(crate) const THETA: f64 = 100.0;

/// Steps after which a model does every task; learned positions take longer to generalise.
pub(crate) fn steps(name: &str) -> usize {
    if name == "toy-gpt2" { 3_600 } else { 2_400 }
}

/// The shape of a model by name, which is one of [`NAMES`].
pub(crate) fn shape(name: &str, d_vocab: usize) -> ModelConfig {
    let gpt2 = name == "toy-gpt2";
    ModelConfig {
        family: if gpt2 { "gpt2" } else { "llama" }.into(),
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: if gpt2 { 4 } else { 2 },
        d_model: 64,
        d_head: 16,
        d_mlp: if gpt2 { 128 } else { 96 },
        d_vocab,
        n_ctx: 64,
        norm: if gpt2 {
            Norm::LayerNorm { eps: EPS }
        } else {
            Norm::RmsNorm { eps: EPS }
        },
        positions: if gpt2 {
            Positions::Learned
        } else {
            Positions::Rotary {
                theta: THETA,
                dims: 16,
                scaling: None,
            }
        },
        activation: if gpt2 {
            Activation::GeluTanh
        } else {
            Activation::Silu
        },
        gated_mlp: !gpt2,
        parallel_blocks: false,
        tied_unembedding: gpt2,
        ..ModelConfig::default()
    }
}

/// config.json.
pub(crate) fn config_json(shape: &ModelConfig) -> Value {
    if shape.family == "gpt2" {
        return json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": shape.d_vocab,
            "n_positions": shape.n_ctx,
            "n_ctx": shape.n_ctx,
            "n_embd": shape.d_model,
            "n_layer": shape.n_layers,
            "n_head": shape.n_heads,
            "n_inner": shape.d_mlp,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": EPS,
            "tie_word_embeddings": true,
            "bos_token_id": null,
            "eos_token_id": null,
            "torch_dtype": "float32",
        });
    }
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.d_vocab,
        "max_position_embeddings": shape.n_ctx,
        "hidden_size": shape.d_model,
        "intermediate_size": shape.d_mlp,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "head_dim": shape.d_head,
        "hidden_act": "silu",
        "rms_norm_eps": EPS,
        "rope_theta": THETA,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": false,
        "bos_token_id": null,
        "eos_token_id": null,
        "torch_dtype": "float32",
    })
}
