//! GPT-2: learned positions, `LayerNorm`, fused q/k/v, plain MLP.
//!
//! Hugging Face's `Conv1D` stores `[inputs, outputs]`; GGUF files store `[outputs, inputs]`.

use super::activation::{PLAIN, activation};
use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::layers::{self, AttentionNames, MlpNames, Names};
use super::{Biases, Description, Family, Load};
use crate::error::{Error, Result};
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, ModelConfig, Norm, Positions, Weights};

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
        let (d_model, n_heads) = (keys.required_size("n_embd")?, keys.required_size("n_head")?);
        let config = ModelConfig {
            family: self.name().into(),
            n_layers: keys.required_size("n_layer")?,
            n_heads,
            n_kv_heads: n_heads,
            d_model,
            d_head: d_model.checked_div(n_heads).unwrap_or_default(),
            d_mlp: keys.size("n_inner")?.unwrap_or(d_model.saturating_mul(4)),
            d_vocab: keys.required_size("vocab_size")?,
            n_ctx: keys.required_size("n_positions")?,
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

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        let names = match load.source.format() {
            Format::HuggingFace => HUGGING_FACE,
            Format::Gguf => Names {
                attention: AttentionNames::Fused("attn_qkv"),
                mlp: MlpNames::Plain(["ffn_up", "ffn_down"]),
                ..Names::GGUF
            },
        };
        layers::read(of, &names, load)
    }
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
