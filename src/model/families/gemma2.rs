//! Gemma 2: norms after attention and MLP too, soft caps of scores and logits, a sliding window in every other layer,
//! scaled embeddings, gains stored less 1 (in Hugging Face files), `GeGLU`.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::llama::{self, Sizes};
use super::names::Names;
use super::{Biases, Description, Family, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, AttentionConfig, ModelConfig};

/// The family's registry entry.
pub(super) struct Gemma2;

/// Layers of the 27B model, the only one whose scores are scaled by the stream's share of a head.
const LAYERS_OF_27B: usize = 46;
/// Soft cap of scores where a file does not say otherwise.
const SCORE_CAP: f64 = 50.0;
/// Soft cap of logits where a file does not say otherwise.
const LOGIT_CAP: f64 = 30.0;

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
        unread_activation(keys)?;
        let window = windows::window(keys)?;
        let attention = AttentionConfig {
            scale: Some(score_scale(keys)?),
            soft_cap: optional(keys, "attn_logit_softcapping", SCORE_CAP)?,
            local: windows::by_type(keys, &config, window, |layer| layer.is_multiple_of(2))?,
            ..AttentionConfig::default()
        };
        let cap = optional(keys, "final_logit_softcapping", LOGIT_CAP)?;
        let config = gemma(config, attention, cap);
        Description::new(keys.file(), config, llama::biases(keys)?)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "gemma2");
        let config = llama::gguf_config(&keys, self.name())?;
        let window = keys.size("attention.sliding_window")?.unwrap_or(4096);
        let slides = keys.sliding(2)?;
        let score_cap = keys.number("attn_logit_softcapping")?;
        let attention = AttentionConfig {
            scale: Some(gguf_score_scale(&config, LAYERS_OF_27B)),
            soft_cap: Some(score_cap.unwrap_or(SCORE_CAP)),
            local: windows::local(&config, Some(window), slides),
            ..AttentionConfig::default()
        };
        let cap = keys.number("final_logit_softcapping")?;
        let config = gemma(config, attention, Some(cap.unwrap_or(LOGIT_CAP)));
        Description::new(keys.file(), config, Biases::default())
    }

    fn names(&self, format: Format) -> Names {
        names(format)
    }
}

/// What Gemma takes for granted where its config.json is silent.
pub(super) fn relative() -> llama::Relative {
    llama::Relative {
        sizes: Sizes {
            d_vocab: 256_000,
            d_model: 2304,
            d_mlp: 9216,
            n_layers: 26,
            n_heads: 8,
            n_kv_heads: Some(4),
            longest: 8192,
        },
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

/// Warns of an activation function under the older key, which is not read, where it is another one.
pub(super) fn unread_activation(keys: &Keys) -> Result<()> {
    match keys.text("hidden_act")? {
        None | Some("gelu_pytorch_tanh") => {}
        Some(other) => keys.warn(&format!(
            "hidden_act is {other:?}, which models of this family do not read: the activation function is that of \
             hidden_activation"
        )),
    }
    Ok(())
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
