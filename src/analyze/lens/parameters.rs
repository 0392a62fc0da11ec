//! What can be asked of a lens.

#![cfg_attr(
    feature = "cli",
    expect(
        let_underscore_drop,
        reason = "clap derives it for an optional group of flags"
    )
)]

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analyze::sae::Corpus;

/// Most prompts that are drawn.
const MOST_DRAWN: usize = 50;
/// Most tokens that a cell shows.
const MOST_TOP: usize = 100;
/// Most steps of training.
const MOST_STEPS: usize = 1_000_000;

/// What a model would say after each layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Lens {
    /// Texts to look at instead of a task; their last token is the scored position. The flag may be repeated.
    #[cfg_attr(feature = "cli", arg(long = "prompt", value_name = "TEXT"))]
    pub texts: Vec<String>,
    /// The token that is tracked, with its space [default: the task's correct answers; of texts the model's top token].
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKEN"))]
    pub token: Option<String>,
    /// Look between attention and MLP too; not with parallel blocks.
    #[cfg_attr(feature = "cli", arg(long))]
    pub after_attention: bool,
    /// Number of prompts drawn as heat maps, the first ones.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Lens::default().drawn))]
    pub drawn: usize,
    /// Number of top tokens that a cell shows.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Lens::default().top))]
    pub top: usize,
    /// Whether to attribute the logit to what every part wrote; the flag turns it off.
    #[cfg_attr(feature = "cli", arg(long = "no-attribution", action = clap::ArgAction::SetFalse))]
    pub attribution: bool,
    /// A tuned lens to look through too: `Fitted(..)`, which `--tune` does, or `Saved("FILE.safetensors")`.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub tuned: Option<Tuned>,
}

impl Default for Lens {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            token: None,
            after_attention: false,
            drawn: 1,
            top: 10,
            attribution: true,
            tuned: None,
        }
    }
}

/// Where the maps of a tuned lens come from. Reference: Belrose et al., arXiv:2303.08112.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Tuned {
    /// They are fitted.
    Fitted(TunedFit),
    /// They are in a file that a fit wrote.
    Saved(PathBuf),
}

/// How the maps are fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct TunedFit {
    /// The text; the share `held_out` of it is held out for evaluation.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub text: Corpus,
    /// Tokens of a context.
    #[serde(default = "default_context")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_context()))]
    pub context: usize,
    /// What keeps the maps near the logit lens, relative to the mean square of the stream.
    #[serde(default = "default_ridge")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = default_ridge(), allow_negative_numbers = true))]
    pub ridge: f64,
    /// Layers whose map is then trained on the KL divergence, ascending [default: none].
    #[serde(default)]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub train: Vec<usize>,
    /// Steps of that training.
    #[serde(default = "default_steps")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_steps()))]
    pub steps: usize,
    /// Positions of a step.
    #[serde(default = "default_batch")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_batch()))]
    pub batch: usize,
    /// Adam's learning rate, for numbers of mean square 1.
    #[serde(default = "default_learning_rate")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = default_learning_rate(), allow_negative_numbers = true))]
    pub learning_rate: f64,
    /// Seed of the order of positions.
    #[serde(default)]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0))]
    pub seed: u64,
    /// Largest number of held-out positions that judge, evenly spaced.
    #[serde(default = "default_judged")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_judged()))]
    pub judged: usize,
}

fn default_context() -> usize {
    128
}

fn default_ridge() -> f64 {
    1e-3
}

fn default_steps() -> usize {
    200
}

fn default_batch() -> usize {
    64
}

fn default_learning_rate() -> f64 {
    1e-4
}

fn default_judged() -> usize {
    1024
}

impl Lens {
    /// The text files that it reads.
    pub fn files(&self) -> Vec<&std::path::Path> {
        match &self.tuned {
            None => Vec::new(),
            Some(Tuned::Saved(path)) => vec![path],
            Some(Tuned::Fitted(fit)) => fit.text.files().iter().map(PathBuf::as_path).collect(),
        }
    }

    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self, held_out: f64) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &'static str, problem: String| {
            if !holds {
                found.push((key, problem));
            }
        };
        let mut range = |key, least: usize, most: usize, got: usize| {
            require(
                (least..=most).contains(&got),
                key,
                format!("expected {least} to {most}, got {got}"),
            );
        };
        range("analysis.Lens.drawn", 0, MOST_DRAWN, self.drawn);
        range("analysis.Lens.top", 1, MOST_TOP, self.top);
        if let Some(Tuned::Fitted(fit)) = &self.tuned {
            let key = |name| match name {
                "context" => "analysis.Lens.tuned.Fitted.context",
                "steps" => "analysis.Lens.tuned.Fitted.steps",
                "batch" => "analysis.Lens.tuned.Fitted.batch",
                "judged" => "analysis.Lens.tuned.Fitted.judged",
                _ => "analysis.Lens.tuned.Fitted.text",
            };
            range(key("context"), 2, 1 << 20, fit.context);
            range(key("steps"), 1, MOST_STEPS, fit.steps);
            range(key("batch"), 1, 1 << 16, fit.batch);
            range(key("judged"), 2, 1 << 24, fit.judged);
            if let Corpus::Sampled { tokens, .. } = fit.text {
                let least = fit.context.saturating_mul(2);
                range(
                    "analysis.Lens.tuned.Fitted.text.Sampled.tokens",
                    least,
                    100_000_000,
                    tokens,
                );
            }
            let positive = |value: f64| value.is_finite() && value > 0.0;
            for (key, value) in [
                ("analysis.Lens.tuned.Fitted.ridge", fit.ridge),
                (
                    "analysis.Lens.tuned.Fitted.learning_rate",
                    fit.learning_rate,
                ),
            ] {
                require(
                    positive(value),
                    key,
                    format!("expected a finite number above 0, got {value:?}"),
                );
            }
            require(
                held_out > 0.0,
                "held_out",
                "expected more than 0: a tuned lens is evaluated on held-out text".into(),
            );
            require(
                fit.text != Corpus::Files(Vec::new()),
                "analysis.Lens.tuned.Fitted.text.Files",
                "expected at least one text file".into(),
            );
            require(
                fit.train.is_sorted_by(|one, next| one < next),
                "analysis.Lens.tuned.Fitted.train",
                format!("expected ascending layers, got {:?}", fit.train),
            );
        }
        require(
            self.texts.iter().all(|text| !text.is_empty()),
            "analysis.Lens.texts",
            "an empty text has no token to look at; remove it".into(),
        );
        found
    }
}
