//! GPT-NeoX and Pythia: blocks whose attention and MLP read the same stream (or one after the other), a rotation of
//! part of each head, `LayerNorm`, q/k/v fused head by head, plain MLP.

use super::activation::{PLAIN, activation};
use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::names::{AttentionNames, MlpNames, Names};
use super::rotary::{Defaults, Parameters, rotary};
use super::{Bias, Biases, Description, Family};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, ModelConfig, Norm};

/// The family's registry entry.
pub(super) struct GptNeoX;

const HUGGING_FACE: Names = Names {
    prefix: "gpt_neox.",
    embedding: "embed_in.weight",
    block: "layers",
    attention_norm: "input_layernorm",
    attention: AttentionNames::FusedByHead("attention.query_key_value"),
    o: "attention.dense",
    mlp_norm: "post_attention_layernorm",
    mlp: MlpNames::Plain(["mlp.dense_h_to_4h", "mlp.dense_4h_to_h"]),
    final_norm: "final_layer_norm",
    unembedding: "embed_out",
    ..Names::NONE
};

impl Family for GptNeoX {
    fn name(&self) -> &'static str {
        "gpt_neox"
    }

    fn class(&self) -> &'static str {
        "GPTNeoXForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("gptneox")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        let d_model = keys.size_or("hidden_size", 6144)?;
        let n_heads = keys.size_or("num_attention_heads", 64)?;
        if n_heads == 0 || !d_model.is_multiple_of(n_heads) {
            return Err(keys.fail(format!(
                "a residual stream of width {d_model} cannot be split into {n_heads} heads"
            )));
        }
        let d_head = d_model / n_heads;
        let defaults = Defaults {
            theta_key: "rotary_emb_base",
            share: Some(("rotary_pct", 0.25)),
            ..Defaults::default()
        };
        let longest = keys.size_or("max_position_embeddings", 2048)?;
        // The rotation alone has a width of its own.
        let rotated = keys.size_or("head_dim", d_head)?;
        let parameters = Parameters::of_all_layers(keys)?;
        let rotary = rotary(keys, &parameters, (rotated, longest), &defaults)?;
        let config = ModelConfig {
            family: self.name().into(),
            n_layers: keys.size_or("num_hidden_layers", 44)?,
            n_heads,
            n_kv_heads: n_heads,
            d_model,
            d_head,
            d_mlp: keys.size_or("intermediate_size", 24_576)?,
            d_vocab: keys.size_or("vocab_size", 50_432)?,
            n_ctx: rotary.n_ctx,
            norm: Norm::LayerNorm {
                eps: keys.number("layer_norm_eps")?.unwrap_or(1e-5),
            },
            positions: rotary.positions(),
            activation: activation(keys, "hidden_act", Activation::Gelu, &PLAIN)?,
            parallel_blocks: keys.switch("use_parallel_residual", true)?,
            tied_unembedding: keys.switch("tie_word_embeddings", false)?,
            ..ModelConfig::default()
        };
        let attention = Bias::announced(keys.switch("attention_bias", true)?);
        let biases = Biases {
            qkv: attention,
            o: attention,
            mlp: Bias::Required,
        };
        Description::new(keys.file(), config, biases)
    }

    /// The file does not say which GELU: it is the exact one, as in all of Pythia.
    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "gptneox");
        let sizes = keys.sizes(self.name())?;
        let dims = keys.size("rope.dimension_count")?.unwrap_or(sizes.d_head);
        let config = ModelConfig {
            norm: keys.layer_norm()?,
            positions: keys.rotary(dims)?,
            activation: Activation::Gelu,
            parallel_blocks: keys.switch("use_parallel_residual")?.unwrap_or(true),
            ..sizes
        };
        Description::new(keys.file(), config, Biases::default())
    }

    fn names(&self, format: Format) -> Names {
        match format {
            Format::HuggingFace => HUGGING_FACE,
            // The converter puts all queries first, then all keys, then all values.
            Format::Gguf => Names {
                attention: AttentionNames::Fused("attn_qkv"),
                mlp: MlpNames::Plain(["ffn_up", "ffn_down"]),
                ..Names::GGUF
            },
        }
    }
}
