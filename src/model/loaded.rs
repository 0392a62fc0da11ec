//! A model in memory: weights, tokenizer, and what identifies them.

use super::{ModelConfig, Tokenizer, Weights};

/// A model ready for the engine.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// Name as in the results folder.
    pub name: String,
    /// Hash of the configuration and the weight files.
    pub hash: String,
    /// The weights, single precision.
    pub weights: Weights<f32>,
    /// The tokenizer, where the model has one.
    pub tokenizer: Option<Tokenizer>,
}

impl LoadedModel {
    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.weights.config
    }
}
