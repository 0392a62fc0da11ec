//! GPT-2: learned positions, `LayerNorm`, fused q/k/v, plain MLP.
//!
//! Hugging Face's `Conv1D` stores `[inputs, outputs]`; GGUF files store `[outputs, inputs]`.

use super::activation::{PLAIN, activation};
use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::names::{AttentionNames, MlpNames, Names};
use super::{Biases, Description, Family};
use crate::error::{Error, Result};
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, ModelConfig, Norm, Positions};

/// The family's registry entry.
pub(super) struct Gpt2;

const HUGGING_FACE: Names = Names {
    prefix: "transformer.",
    embedding: "wte.weight",
    position: "wpe.weight",
    block: "h",
    attention_norm: "ln_1",
    attention: AttentionNames::Fused("attn.c_attn"),
    o: "attn.c_proj",
    mlp_norm: "ln_2",
    mlp: MlpNames::Plain(["mlp.c_fc", "mlp.c_proj"]),
    final_norm: "ln_f",
    unembedding: "lm_head",
    transposed: false,
    ..Names::NONE
};

impl Family for Gpt2 {
    fn name(&self) -> &'static str {
        "gpt2"
    }

    fn class(&self) -> &'static str {
        "GPT2LMHeadModel"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("gpt2")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        keys.refuse_switches(&["scale_attn_by_inverse_layer_idx", "add_cross_attention"])?;
        if !keys.switch("scale_attn_weights", true)? {
            return Err(keys.unsupported("scale_attn_weights", "true"));
        }
        let d_model = size(keys, "n_embd", "hidden_size", 768)?;
        let n_heads = size(keys, "n_head", "num_attention_heads", 12)?;
        let config = ModelConfig {
            family: self.name().into(),
            n_layers: size(keys, "n_layer", "num_hidden_layers", 12)?,
            n_heads,
            n_kv_heads: n_heads,
            d_model,
            d_head: d_model.checked_div(n_heads).unwrap_or_default(),
            d_mlp: keys.size("n_inner")?.unwrap_or(d_model.saturating_mul(4)),
            d_vocab: keys.size_or("vocab_size", 50_257)?,
            n_ctx: size(keys, "n_positions", "max_position_embeddings", 1024)?,
            norm: Norm::LayerNorm {
                eps: keys.number("layer_norm_epsilon")?.unwrap_or(1e-5),
            },
            positions: Positions::Learned,
            activation: activation(keys, "activation_function", Activation::GeluTanh, &PLAIN)?,
            tied_unembedding: keys.switch("tie_word_embeddings", true)?,
            ..ModelConfig::default()
        };
        described(keys.file(), config)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "gpt2");
        let eps = keys.number("attention.layer_norm_epsilon")?;
        let config = ModelConfig {
            norm: Norm::LayerNorm {
                eps: eps.unwrap_or(1e-5),
            },
            activation: Activation::GeluTanh,
            ..keys.sizes(self.name())?
        };
        described(keys.file(), config)
    }

    fn names(&self, format: Format) -> Names {
        match format {
            Format::HuggingFace => HUGGING_FACE,
            Format::Gguf => Names {
                attention: AttentionNames::Fused("attn_qkv"),
                mlp: MlpNames::Plain(["ffn_up", "ffn_down"]),
                ..Names::GGUF
            },
        }
    }
}

/// A size under either of its names; the second counts where both are there, as in transformers.
fn size(keys: &Keys, key: &str, other: &str, default: usize) -> Result<usize> {
    let (own, named) = (keys.size(key)?, keys.size(other)?);
    if let (Some(own), Some(named)) = (own, named)
        && own != named
    {
        keys.warn(&format!(
            "{key} is {own}, but {other} is {named}; the second was taken"
        ));
    }
    Ok(named.or(own).unwrap_or(default))
}

fn described(file: &str, config: ModelConfig) -> Result<Description> {
    let description = Description::new(file, config, Biases::default())?;
    let config = &description.config;
    if config.n_heads * config.d_head != config.d_model {
        let problem = format!(
            "a residual stream of width {} cannot be split into {} heads",
            config.d_model, config.n_heads
        );
        return Err(Error::model(file, problem));
    }
    Ok(description)
}
