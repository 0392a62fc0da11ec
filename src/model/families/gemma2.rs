//! Gemma 2: norms behind attention and MLP too, soft caps of scores and logits, a sliding window in every other layer,
//! scaled embeddings, gains stored less 1 (in Hugging Face files), `GeGLU`.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::layers::{self, Names};
use super::{Description, Family, Load, llama, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, AttentionConfig, ModelConfig, Weights};

/// The family's registry entry.
pub(super) struct Gemma2;

/// Layers of the 27B model, the only one whose scores are scaled by the stream's share of a head.
const LAYERS_OF_27B: usize = 46;

impl Family for Gemma2 {
    fn name(&self) -> &'static str {
        "gemma2"
    }

    fn class(&self) -> &'static str {
        "Gemma2ForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("gemma2")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        keys.refuse_switches(&["use_bidirectional_attention"])?;
        let config = llama::config_json(keys, self.name(), &relative())?;
        let window = optional(keys, "sliding_window", 4096.0)?;
        let is = windows::sliding_layers(keys, &config, |layer| layer.is_multiple_of(2))?;
        let attention = AttentionConfig {
            scale: Some(score_scale(keys)?),
            soft_cap: optional(keys, "attn_logit_softcapping", 50.0)?,
            local: windows::local(&config, window.map(|window| window as usize), is),
            ..AttentionConfig::default()
        };
        let cap = optional(keys, "final_logit_softcapping", 30.0)?;
        let config = gemma(config, attention, cap);
        Description::new(keys.file(), config, llama::biases(keys)?)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "gemma2");
        let config = llama::gguf_config(&keys, self.name())?;
        let window = keys.size("attention.sliding_window")?;
        let attention = AttentionConfig {
            scale: Some(gguf_score_scale(&config, LAYERS_OF_27B)),
            soft_cap: keys.number("attn_logit_softcapping")?,
            local: windows::local(&config, window, |layer| layer.is_multiple_of(2)),
            ..AttentionConfig::default()
        };
        let cap = keys.number("final_logit_softcapping")?;
        let config = gemma(config, attention, cap);
        Description::new(keys.file(), config, super::Biases::default())
    }

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        layers::read(of, &names(load.source.format()), load)
    }
}

/// What Gemma takes for granted where its config.json is silent.
pub(super) fn relative() -> llama::Relative {
    llama::Relative {
        tied: true,
        d_head: Some(256),
        activation_key: "hidden_activation",
        activation: Activation::GeluTanh,
        ..llama::Relative::default()
    }
}

/// A Llama-like shape as Gemma's: post-norms, scaled embeddings.
pub(super) fn gemma(
    config: ModelConfig,
    attention: AttentionConfig,
    logit_soft_cap: Option<f64>,
) -> ModelConfig {
    ModelConfig {
        activation: Activation::GeluTanh,
        post_norms: true,
        embedding_scale: Some((config.d_model as f64).sqrt()),
        attention,
        logit_soft_cap,
        ..config
    }
}

/// The factor of scores that `query_pre_attn_scalar` states.
pub(super) fn score_scale(keys: &Keys) -> Result<f64> {
    let scalar = keys.number("query_pre_attn_scalar")?.unwrap_or(256.0);
    if scalar <= 0.0 {
        return Err(keys.unsupported("query_pre_attn_scalar", "a positive number"));
    }
    Ok(1.0 / scalar.sqrt())
}

/// The factor of scores, which GGUF files leave to the number of layers.
pub(super) fn gguf_score_scale(config: &ModelConfig, layers_of_27b: usize) -> f64 {
    let width = if config.n_layers == layers_of_27b && config.n_heads > 0 {
        config.d_model / config.n_heads
    } else {
        config.d_head
    };
    1.0 / (width as f64).sqrt()
}

/// A number that may be switched off with null, and has a default where the key is absent.
pub(super) fn optional(keys: &Keys, key: &str, default: f64) -> Result<Option<f64>> {
    if keys.mentions(key) {
        keys.number(key)
    } else {
        Ok(Some(default))
    }
}

/// The names of Gemma 2 and 3.
pub(super) fn names(format: Format) -> Names {
    match format {
        Format::HuggingFace => Names {
            attention_post_norm: "post_attention_layernorm",
            mlp_norm: "pre_feedforward_layernorm",
            mlp_post_norm: "post_feedforward_layernorm",
            gains_less_one: true,
            ..llama::HUGGING_FACE
        },
        Format::Gguf => Names::GGUF,
    }
}
