//! Qwen2 and Qwen2.5: Llama with biases of queries, keys and values, and a sliding window in the later layers if it is
//! switched on.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::llama::{self, Relative, Sizes};
use super::names::Names;
use super::{Bias, Biases, Description, Family, windows};
use crate::error::Result;
use crate::model::source::{Format, Gguf};
use crate::model::{AttentionConfig, ModelConfig};

/// The family's registry entry.
pub(super) struct Qwen2;

impl Family for Qwen2 {
    fn name(&self) -> &'static str {
        "qwen2"
    }

    fn class(&self) -> &'static str {
        "Qwen2ForCausalLM"
    }

    fn architecture(&self) -> Option<&'static str> {
        Some("qwen2")
    }

    fn describe_config_json(&self, keys: &Keys) -> Result<Description> {
        let config = llama::config_json(keys, self.name(), &relative())?;
        let config = ModelConfig {
            attention: AttentionConfig {
                local: windows::switched(keys, &config)?,
                ..AttentionConfig::default()
            },
            ..config
        };
        let biases = Biases {
            qkv: Bias::Required,
            ..Biases::DENIED
        };
        Description::new(keys.file(), config, biases)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "qwen2");
        let config = llama::gguf_config(&keys, self.name())?;
        let biases = Biases {
            qkv: Bias::Required,
            ..Biases::default()
        };
        Description::new(keys.file(), config, biases)
    }

    fn names(&self, format: Format) -> Names {
        llama::names(format)
    }
}

/// What Qwen takes for granted where its config.json is silent.
pub(super) fn relative() -> Relative {
    Relative {
        sizes: Sizes {
            d_vocab: 151_936,
            d_mlp: 22_016,
            n_kv_heads: Some(32),
            longest: 32_768,
            ..Relative::default().sizes
        },
        ..Relative::default()
    }
}
