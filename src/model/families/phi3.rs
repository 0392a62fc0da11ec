//! Phi-3: Llama with q/k/v in one map and gate and up in another, heads rotated in part, a sliding window, and two sets
//! of rotary factors, for short and for long texts.
//!
//! The factors for long texts hold for all positions of a text that is longer than the original context, so a longer
//! text is not the same model; sequences are limited to the original context.

use super::gguf_keys::{GgufKeys, SHORT_FACTORS};
use super::keys::Keys;
use super::llama::{self, Relative, Sizes};
use super::names::{AttentionNames, MlpNames, Names};
use super::rotary::{Defaults, Original};
use super::{Biases, Description, Family, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{Activation, AttentionConfig, ModelConfig, Positions, RotaryScaling};

/// The family's registry entry.
pub(super) struct Phi3;

impl Family for Phi3 {
    fn name(&self) -> &'static str {
        "phi3"
    }

    fn class(&self) -> &'static str {
        "Phi3ForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("phi3")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        let relative = Relative {
            sizes: Sizes {
                d_vocab: 32_064,
                d_model: 3072,
                d_mlp: 8192,
                longest: 4096,
                ..Relative::default().sizes
            },
            eps: 1e-5,
            rotary: Defaults {
                share: Some(("partial_rotary_factor", 1.0)),
                original: Original::Top(4096),
                ..Defaults::default()
            },
            ..Relative::default()
        };
        let config = llama::config_json(keys, self.name(), &relative)?;
        let window = keys.size("sliding_window")?;
        let config = with_window(config, window);
        Description::new(keys.file(), config, Biases::DENIED)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "phi3");
        let sizes = keys.sizes(self.name())?;
        let dims = keys.size("rope.dimension_count")?.unwrap_or(sizes.d_head);
        let mut positions = keys.rotary(dims)?;
        let longest = sizes.n_ctx;
        let mut n_ctx = longest;
        if let Some(factors) = keys.tensor(SHORT_FACTORS)? {
            let original = keys.required_size("rope.scaling.original_context_length")?;
            let stretch = longest as f64 / original as f64;
            let magnitude = match keys.number("rope.scaling.attn_factor")? {
                Some(factor) => factor,
                None if stretch <= 1.0 => 1.0,
                None => (1.0 + stretch.ln() / (original as f64).ln()).sqrt(),
            };
            if let Positions::Rotary { scaling, .. } = &mut positions {
                *scaling = Some(RotaryScaling { factors, magnitude });
            }
            n_ctx = original.min(longest);
        }
        let config = ModelConfig {
            n_ctx,
            norm: keys.rms_norm()?,
            positions,
            activation: Activation::Silu,
            gated_mlp: true,
            ..sizes
        };
        let window = keys.size("attention.sliding_window")?;
        let config = with_window(config, window.filter(|window| *window > 0));
        Description::new(keys.file(), config, Biases::default())
    }

    fn names(&self, format: Format) -> Names {
        match format {
            Format::HuggingFace => Names {
                attention: AttentionNames::Fused("self_attn.qkv_proj"),
                mlp: MlpNames::FusedGate(["mlp.gate_up_proj", "mlp.down_proj"]),
                ..llama::HUGGING_FACE
            },
            Format::Gguf => Names {
                attention: AttentionNames::Fused("attn_qkv"),
                mlp: MlpNames::FusedGate(["ffn_up", "ffn_down"]),
                ..Names::GGUF
            },
        }
    }
}

fn with_window(config: ModelConfig, window: Option<usize>) -> ModelConfig {
    ModelConfig {
        attention: AttentionConfig {
            local: windows::local(&config, window, |_| true),
            ..AttentionConfig::default()
        },
        ..config
    }
}
