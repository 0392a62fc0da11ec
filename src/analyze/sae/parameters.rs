//! What can be asked of a sparse autoencoder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::change::FeatureEffects;
use crate::analyze::Mistakes;
use crate::engine::Representation;
#[cfg(feature = "cli")]
use crate::flags::{path, value};
use crate::metric::Metric;

/// Most features.
const MOST_FEATURES: usize = 1 << 20;
/// Most codes of a batch.
const MOST_CODES: usize = 1 << 30;
/// Most tokens trained on.
const MOST_TOKENS: usize = 10_000_000_000;

/// Which features a layer holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct Sae {
    /// A folder with a sparse autoencoder (`cfg.json` and `sae_weights.safetensors`), which is then not trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "DIR", value_parser = path()))]
    pub load: Option<PathBuf>,
    /// The layer. Training needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub layer: Option<usize>,
    /// What of the layer: `Stream` (the stream after it), `Mlp` (what its MLP writes) or `Heads` (the results of its heads
    /// before `W_O`) [default: `Stream`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT", value_parser = value::<Representation>()))]
    pub of: Option<Representation>,
    /// The kind: `Relu(l1: 0.1)`, `TopK(k: 32)`, `BatchTopK(k: 32)`, `JumpRelu(l0: 0.5, bandwidth: 0.1)` or `Gated(l1: 0.1)`
    /// [default: `TopK(k: 32)`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "KIND", value_parser = value::<SaeKind>()))]
    pub kind: Option<SaeKind>,
    /// Number of features. Training needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub features: Option<usize>,
    /// The text to train on, repeated as often as needed, and to measure on.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub text: Corpus,
    /// Number of activation vectors to train on: required in a spec that trains; the flag is 500000 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub tokens: Option<usize>,
    /// Tokens of a context [default: 128; with `load` what its files say].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub context: Option<usize>,
    /// Positions at the start of each context and prompt that are neither trained on nor measured nor changed: at the first one
    /// the streams of many models have a hundred times the norm of others [default: 1; with `load` what its files say].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub skip_first: Option<usize>,
    /// Activation vectors of a training step [default: 1024].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub batch: Option<usize>,
    /// Adam's learning rate [default: 0.001].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "X", allow_negative_numbers = true)
    )]
    pub learning_rate: Option<f64>,
    /// Seed of the weights, of the order of training, and of random features; with the flags also of text sampled from the
    /// model, which with `load` takes the next seed.
    #[serde(default)]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0))]
    pub seed: u64,
    /// Number of features described.
    #[serde(default = "default_described")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_described()))]
    pub described: usize,
    /// Number of contexts shown for each: those where it is most active.
    #[serde(default = "default_contexts")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_contexts()))]
    pub contexts: usize,
    /// Prompts to decompose into features and error, token by token. The flag may be repeated.
    #[serde(default)]
    #[cfg_attr(feature = "cli", arg(long = "prompt", value_name = "TEXT"))]
    pub prompts: Vec<String>,
    /// Number of features shown for each of their tokens.
    #[serde(default = "default_shown")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_shown()))]
    pub shown: usize,
    /// What is done to features on a task.
    #[serde(default)]
    #[cfg_attr(feature = "cli", command(flatten))]
    pub effects: FeatureEffects,
}

/// How a dictionary is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// The kind of autoencoder.
    pub kind: SaeKind,
    /// Number of features.
    pub features: usize,
    /// Tokens trained on.
    pub tokens: usize,
    /// Rows of a training step.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Seed of the weights and of the order of rows.
    pub seed: u64,
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

fn default_shown() -> usize {
    5
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
    /// Tokens of a context.
    pub fn context(&self) -> usize {
        self.context.unwrap_or(128)
    }

    /// Positions at the start of each context that are left out.
    pub fn skip_first(&self) -> usize {
        self.skip_first.unwrap_or(1)
    }

    /// How it is trained, where it is not loaded. What a spec has to name is 0 where it does not.
    pub fn recipe(&self) -> Option<Recipe> {
        self.load.is_none().then(|| Recipe {
            kind: self.kind.unwrap_or_default(),
            features: self.features.unwrap_or(0),
            tokens: self.tokens.unwrap_or(0),
            batch: self.batch.unwrap_or(1024),
            learning_rate: self.learning_rate.unwrap_or(1e-3),
            seed: self.seed,
        })
    }

    /// Values that make no sense, each with its key in the spec. With a task, `metric` measures what features do.
    pub(in crate::analyze) fn wrong_values(
        &self,
        metric: Option<Metric>,
    ) -> Vec<(&'static str, String)> {
        let mut found = Mistakes::default();
        match self.recipe() {
            Some(recipe) => self.recipe_mistakes(&recipe, &mut found),
            None => self.superfluous(&mut found),
        }
        // What the files of a dictionary say is known when they are read.
        let context = match (&self.load, self.context) {
            (Some(_), None) => 1 << 20,
            _ => self.context(),
        };
        found.within("analysis.Sae.context", 2..=1 << 20, context);
        let most = context.saturating_sub(1);
        found.within("analysis.Sae.skip_first", 0..=most, self.skip_first());
        if let Corpus::Sampled { tokens, .. } = self.text {
            let least = self.context.unwrap_or(1).saturating_mul(2);
            found.within(
                "analysis.Sae.text.Sampled.tokens",
                least..=MOST_TOKENS,
                tokens,
            );
        }
        found.within("analysis.Sae.described", 0..=10_000, self.described);
        found.within("analysis.Sae.contexts", 0..=100, self.contexts);
        found.within("analysis.Sae.prompts", 0..=1000, self.prompts.len());
        found.within("analysis.Sae.shown", 1..=1000, self.shown);
        let some_text = self.text != Corpus::Files(Vec::new());
        found.require(some_text, "analysis.Sae.text.Files", || {
            "expected at least one text file".into()
        });
        if let Some(metric) = metric {
            self.effects.mistakes(metric, &mut found);
        }
        found.0
    }

    /// What is not asked of a dictionary that is loaded.
    fn superfluous(&self, found: &mut Mistakes) {
        for (key, named) in [
            ("analysis.Sae.layer", self.layer.is_some()),
            ("analysis.Sae.of", self.of.is_some()),
            ("analysis.Sae.kind", self.kind.is_some()),
            ("analysis.Sae.features", self.features.is_some()),
            ("analysis.Sae.tokens", self.tokens.is_some()),
            ("analysis.Sae.batch", self.batch.is_some()),
            ("analysis.Sae.learning_rate", self.learning_rate.is_some()),
        ] {
            found.require(!named, key, || {
                "a dictionary that is loaded is not trained, and its files say where it belongs; leave it out".into()
            });
        }
    }

    /// What training needs and the spec does not name, and values with which nothing can be trained.
    fn recipe_mistakes(&self, recipe: &Recipe, found: &mut Mistakes) {
        for (key, named) in [
            ("analysis.Sae.layer", self.layer.is_some()),
            ("analysis.Sae.features", self.features.is_some()),
            ("analysis.Sae.tokens", self.tokens.is_some()),
        ] {
            found.require(named, key, || {
                "missing: training needs it; or `load` a dictionary".into()
            });
        }
        found.within("analysis.Sae.batch", 1..=1 << 20, recipe.batch);
        if let Some(features) = self.features {
            found.within("analysis.Sae.features", 2..=MOST_FEATURES, features);
        }
        if let Some(tokens) = self.tokens {
            found.within("analysis.Sae.tokens", recipe.batch..=MOST_TOKENS, tokens);
        }
        let active = match recipe.kind {
            SaeKind::TopK { k } => Some(("analysis.Sae.kind.TopK.k", k)),
            SaeKind::BatchTopK { k } => Some(("analysis.Sae.kind.BatchTopK.k", k)),
            _ => None,
        };
        if let Some((key, k)) = active {
            found.within(key, 1..=self.features.unwrap_or(MOST_FEATURES), k);
        }
        let codes = recipe.batch.saturating_mul(recipe.features);
        found.require(codes <= MOST_CODES, "analysis.Sae.batch", || {
            format!(
                "{} rows of {} features are more than {MOST_CODES} numbers at once; lower one of them",
                recipe.batch, recipe.features
            )
        });
        let prices = match recipe.kind {
            SaeKind::Relu { l1 } => vec![("analysis.Sae.kind.Relu.l1", l1)],
            SaeKind::Gated { l1 } => vec![("analysis.Sae.kind.Gated.l1", l1)],
            SaeKind::JumpRelu { l0, bandwidth } => vec![
                ("analysis.Sae.kind.JumpRelu.l0", l0),
                ("analysis.Sae.kind.JumpRelu.bandwidth", bandwidth),
            ],
            SaeKind::TopK { .. } | SaeKind::BatchTopK { .. } => Vec::new(),
        };
        let numbers = [("analysis.Sae.learning_rate", recipe.learning_rate)];
        for (key, value) in numbers.into_iter().chain(prices) {
            found.require(value.is_finite() && value > 0.0, key, || {
                format!("expected a finite number above 0, got {value:?}")
            });
        }
    }
}
