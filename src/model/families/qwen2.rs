//! Qwen2 and Qwen2.5: Llama with biases of queries, keys and values, and a sliding window in the later layers if it is
//! switched on.

use super::gguf_keys::GgufKeys;
use super::keys::Keys;
use super::{Biases, Description, Family, Load, layers, llama, windows};
use crate::error::Result;
use crate::model::source::Gguf;
use crate::model::{AttentionConfig, ModelConfig, Weights};

/// The family's registry entry.
pub(super) struct Qwen2;

const BIASES: Biases = Biases {
    qkv: true,
    o: false,
    mlp: false,
};

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
        let config = llama::config_json(keys, self.name(), &llama::Relative::default())?;
        let config = ModelConfig {
            attention: AttentionConfig {
                local: windows::switched(keys, &config)?,
                ..AttentionConfig::default()
            },
            ..config
        };
        Description::new(keys.file(), config, BIASES)
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        let keys = GgufKeys::new(gguf, "qwen2");
        let config = llama::gguf_config(&keys, self.name())?;
        Description::new(keys.file(), config, BIASES)
    }

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        layers::read(of, &llama::names(load.source.format()), load)
    }
}
