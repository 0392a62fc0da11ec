//! Qwen3: Llama with a norm of each head's queries and keys.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::names::Names;
use super::{Biases, Description, Family, llama, qwen2, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{AttentionConfig, ModelConfig};

/// The family's registry entry.
pub(super) struct Qwen3;

impl Family for Qwen3 {
    fn name(&self) -> &'static str {
        "qwen3"
    }

    fn class(&self) -> &'static str {
        "Qwen3ForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("qwen3")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        let relative = llama::Relative {
            d_head: Some(128),
            ..qwen2::relative()
        };
        let config = llama::config_json(keys, self.name(), &relative)?;
        let config = ModelConfig {
            attention: AttentionConfig {
                query_key_norm: true,
                local: windows::switched(keys, &config)?,
                ..AttentionConfig::default()
            },
            ..config
        };
        Description::new(keys.file(), config, llama::biases(keys)?)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "qwen3");
        let mut config = llama::gguf_config(&keys, self.name())?;
        config.attention.query_key_norm = true;
        Description::new(keys.file(), config, Biases::default())
    }

    fn names(&self, format: Format) -> Names {
        llama::names(format)
    }
}
