//! A model in memory: weights, tokenizer, and what identifies them.

use std::sync::Arc;

use super::origin::Origin;
use super::{ModelConfig, ModelIdentity, Tokenizer, Weights};
use crate::error::{Error, Result};

/// A model ready for the engine.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// Name as in the results folder.
    pub name: String,
    /// Hash of the configuration and the weight files.
    pub hash: String,
    /// What its files say that it is.
    pub identity: ModelIdentity,
    /// The weights, single precision.
    pub weights: Weights<f32>,
    /// Bytes of memory that work with it may take, weights included, where they are bounded.
    pub memory: Option<usize>,
    /// The tokenizer, where the model has one.
    pub tokenizer: Option<Tokenizer>,
    /// Hash of the files of the tokenizer, where they are not part of those of the weights.
    pub tokenizer_hash: Option<String>,
    /// Why there is no tokenizer, where there is none.
    pub no_tokenizer: Option<String>,
    /// What whoever uses it should know, such as that a vector added to it was found in another model.
    pub warnings: Vec<String>,
    /// The files.
    pub(super) origin: Arc<Origin>,
}

impl LoadedModel {
    /// The name in results with what the model is, such as `smollm2-135m (SmolLM2-135M-Instruct, Q4_1)`.
    pub fn label(&self) -> String {
        self.identity.label(&self.name)
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.weights.config
    }

    /// Refuses a model whose files were written to since they were read: what was computed may be of neither content. To be
    /// asked before a result is kept.
    ///
    /// # Errors
    /// When a file shrank, or holds something else now.
    pub fn check_unchanged(&self) -> Result<()> {
        self.origin.check()
    }

    /// The tokenizer, for work on text.
    ///
    /// # Errors
    /// When the model has none; the error says why.
    pub fn require_tokenizer(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_ref().ok_or_else(|| {
            let reason = self.no_tokenizer.as_deref();
            let problem = format!(
                "{}; without a tokenizer only token ids can be used (task Tokens)",
                reason.unwrap_or("there is no tokenizer")
            );
            Error::model(&self.name, problem)
        })
    }
}
