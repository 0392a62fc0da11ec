//! Mistral: Llama with a sliding window in every layer, or none. Its GGUF files are Llama's.

use super::keys::Keys;
use super::{Biases, Description, Family, Load, layers, llama, windows};
use crate::error::Result;
use crate::model::source::Gguf;
use crate::model::{AttentionConfig, ModelConfig, Weights};

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
        let config = llama::config_json(keys, self.name(), &llama::Relative::default())?;
        let window = if keys.mentions("sliding_window") {
            keys.size("sliding_window")?
        } else {
            Some(4096)
        };
        let is = windows::sliding_layers(keys, &config, |_| true)?;
        let config = ModelConfig {
            attention: AttentionConfig {
                local: windows::local(&config, window, is),
                ..AttentionConfig::default()
            },
            ..config
        };
        Description::new(keys.file(), config, Biases::default())
    }

    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description> {
        llama::Llama.describe_gguf(gguf)
    }

    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        layers::read(of, &llama::HUGGING_FACE, load)
    }
}
