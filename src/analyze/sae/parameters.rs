//! What can be asked of a sparse autoencoder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analyze::Mistakes;
use crate::engine::Representation;

/// Most features.
const MOST_FEATURES: usize = 1 << 20;
/// Most codes of a batch.
const MOST_CODES: usize = 1 << 30;
/// Most tokens trained on.
const MOST_TOKENS: usize = 10_000_000_000;

/// Which features a layer holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sae {
    /// The layer.
    pub layer: usize,
    /// What of it.
    #[serde(default)]
    pub of: Representation,
    /// The kind of autoencoder.
    #[serde(default)]
    pub kind: SaeKind,
    /// Number of features.
    pub features: usize,
    /// The text to train on, read again from the start as often as needed.
    pub text: Corpus,
    /// Tokens trained on.
    pub tokens: usize,
    /// Tokens of a context.
    #[serde(default = "default_context")]
    pub context: usize,
    /// Rows of a training step.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// Adam's learning rate.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    /// Seed of the weights and of the order of rows.
    #[serde(default)]
    pub seed: u64,
    /// Features that are described.
    #[serde(default = "default_described")]
    pub described: usize,
    /// Contexts shown of each of them: those where it is most active.
    #[serde(default = "default_contexts")]
    pub contexts: usize,
}

/// Where text comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Corpus {
    /// Files, one after the other.
    Files(Vec<PathBuf>),
    /// The model itself: contexts that begin with a random token, drawn by its probabilities.
    Sampled {
        /// Tokens of it.
        tokens: usize,
        /// Seed of the draws.
        seed: u64,
    },
}

impl Corpus {
    /// The files.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Files(files) => files,
            Self::Sampled { .. } => &[],
        }
    }
}

fn default_context() -> usize {
    128
}

fn default_batch() -> usize {
    1024
}

fn default_learning_rate() -> f64 {
    1e-3
}

fn default_described() -> usize {
    50
}

fn default_contexts() -> usize {
    5
}

/// What makes features sparse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum SaeKind {
    /// `ReLU`, and a price on the sum of activations. Reference: Bricken et al. 2023.
    Relu {
        /// The price.
        l1: f64,
    },
    /// The `k` largest of a row. Reference: Gao et al., arXiv:2406.04093.
    TopK {
        /// Active features of a row.
        k: usize,
    },
    /// The `k` times as many largest as a batch has rows; after training, those above a threshold. Reference: Bussmann et
    /// al., arXiv:2412.06410.
    BatchTopK {
        /// Active features of a row on average.
        k: usize,
    },
    /// Those above a threshold of each feature's own, and a price on their number. Reference: Rajamanoharan et al.,
    /// arXiv:2407.14435.
    JumpRelu {
        /// The price.
        l0: f64,
        /// Width of the kernel by which thresholds learn.
        bandwidth: f64,
    },
    /// A gate decides whether a feature is active, with a price on the gates; a magnitude how much. Reference:
    /// Rajamanoharan et al., arXiv:2404.16014.
    Gated {
        /// The price.
        l1: f64,
    },
}

impl Default for SaeKind {
    fn default() -> Self {
        Self::TopK { k: 32 }
    }
}

impl Sae {
    /// Values that make no sense, each with its key in the spec.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Mistakes::default();
        found.within("analysis.Sae.features", 2..=MOST_FEATURES, self.features);
        found.within("analysis.Sae.context", 2..=1 << 20, self.context);
        found.within("analysis.Sae.batch", 1..=1 << 20, self.batch);
        found.within("analysis.Sae.tokens", self.batch..=MOST_TOKENS, self.tokens);
        if let Corpus::Sampled { tokens, .. } = self.text {
            let least = self.context.saturating_mul(2);
            found.within(
                "analysis.Sae.text.Sampled.tokens",
                least..=MOST_TOKENS,
                tokens,
            );
        }
        found.within("analysis.Sae.described", 0..=10_000, self.described);
        found.within("analysis.Sae.contexts", 0..=100, self.contexts);
        let active = match self.kind {
            SaeKind::TopK { k } => Some(("analysis.Sae.kind.TopK.k", k)),
            SaeKind::BatchTopK { k } => Some(("analysis.Sae.kind.BatchTopK.k", k)),
            _ => None,
        };
        if let Some((key, k)) = active {
            found.within(key, 1..=self.features, k);
        }
        let codes = self.batch.saturating_mul(self.features);
        found.require(codes <= MOST_CODES, "analysis.Sae.batch", || {
            format!(
                "{} rows of {} features are more than {MOST_CODES} numbers at once; lower one of them",
                self.batch, self.features
            )
        });
        let prices = match self.kind {
            SaeKind::Relu { l1 } => vec![("analysis.Sae.kind.Relu.l1", l1)],
            SaeKind::Gated { l1 } => vec![("analysis.Sae.kind.Gated.l1", l1)],
            SaeKind::JumpRelu { l0, bandwidth } => vec![
                ("analysis.Sae.kind.JumpRelu.l0", l0),
                ("analysis.Sae.kind.JumpRelu.bandwidth", bandwidth),
            ],
            SaeKind::TopK { .. } | SaeKind::BatchTopK { .. } => Vec::new(),
        };
        let numbers = [("analysis.Sae.learning_rate", self.learning_rate)];
        for (key, value) in numbers.into_iter().chain(prices) {
            found.require(value.is_finite() && value > 0.0, key, || {
                format!("expected a finite number above 0, got {value}")
            });
        }
        let some_text = self.text != Corpus::Files(Vec::new());
        found.require(some_text, "analysis.Sae.text.Files", || {
            "expected at least one text file".into()
        });
        found.0
    }
}
