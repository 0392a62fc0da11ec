//! Mistral: Llama with a sliding window in every layer, or none. Its GGUF files are Llama's.

use super::keys::Keys;
use super::llama::{self, Relative, Sizes};
use super::names::Names;
use super::{Biases, Description, Family, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{AttentionConfig, ModelConfig};

/// The family's registry entry.
pub(super) struct Mistral;

impl Family for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn class(&self) -> &'static str {
        "MistralForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        None
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        let relative = Relative {
            sizes: Sizes {
                d_mlp: 14_336,
                n_kv_heads: Some(8),
                longest: 131_072,
                ..Relative::default().sizes
            },
            ..Relative::default()
        };
        let config = llama::config_json(keys, self.name(), &relative)?;
        let window = windows::window(keys)?;
        windows::same_type(keys, window.is_some())?;
        let config = ModelConfig {
            attention: AttentionConfig {
                local: windows::local(&config, window, |_| true),
                ..AttentionConfig::default()
            },
            ..config
        };
        Description::new(keys.file(), config, Biases::DENIED)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        llama::Llama.describe_gguf(gguf)
    }

    fn names(&self, _format: Format) -> Names {
        llama::HUGGING_FACE
    }
}
