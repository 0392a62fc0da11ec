//! What can be asked about vectors.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analyze::Mistakes;
use crate::engine::AddAt;
#[cfg(feature = "cli")]
use crate::flags::{path, shown, value, value_or_path};
use crate::metric::Metric;
use crate::task::TaskSource;

/// Most strengths of a sweep: as many as a plot has colours.
const MOST_STRENGTHS: usize = 7;
/// Largest strength.
const LARGEST_STRENGTH: f64 = 1000.0;
/// Most positions that vectors are taken from.
const MOST_POSITIONS: usize = 32;
/// Most heads of a sum.
const MOST_HEADS: usize = 10_000;
/// Most samples of generated text.
const MOST_SAMPLES: usize = 1000;
/// Most tokens of a sample.
const MOST_TOKENS: usize = 1000;

/// Which direction of the stream carries a behaviour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Vector {
    /// How the vector is made: `Means(positions: 1)` (the mean stream of the clean prompts minus that of the corrupt ones) or
    /// `Heads(count: 10)` (the sum of what the heads that matter most write on clean prompts).
    #[cfg_attr(feature = "cli", arg(long, value_name = "FROM", value_parser = value::<VectorFrom>(), default_value = shown(&Vector::default().from)))]
    pub from: VectorFrom,
    /// Layers after which it may be added, ascending [default: all].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub layers: Vec<usize>,
    /// Multiples of the vector to try, ascending, at most 7.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X,..", value_delimiter = ',', default_values_t = Vector::default().strengths, allow_hyphen_values = true))]
    pub strengths: Vec<f64>,
    /// Where it is added: `Scored` (the scored positions; in generated text each new token) or `Every`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHERE", value_parser = value::<AddAt>(), default_value = shown(&Vector::default().add_at)))]
    pub add_at: AddAt,
    /// A task to whose corrupt prompts the vector is added; their answers are those that show the behaviour [default: the task
    /// itself].
    #[cfg_attr(feature = "cli", arg(long, value_name = "TASK", value_parser = value_or_path(TaskSource::File, "(pairs: 64, seed: 0)")))]
    pub add_to: Option<TaskSource>,
    /// A text file whose perplexity should not change.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", value_parser = path()))]
    pub text: Option<PathBuf>,
    /// Texts that samples contain if they show the behaviour; the share of samples that do is reported. The flag may be repeated.
    #[cfg_attr(feature = "cli", arg(long, value_name = "TEXT"))]
    pub contains: Vec<String>,
    /// Number of samples of text generated after held-out prompts.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Vector::default().samples))]
    pub samples: usize,
    /// Tokens of a sample.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Vector::default().tokens))]
    pub tokens: usize,
}

/// How a vector is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VectorFrom {
    /// The mean stream of the clean prompts minus that of the corrupt ones, after each layer, at the last scored position
    /// and the ones before it.
    Means {
        /// Number of positions looked at, counted back from the one read.
        positions: usize,
    },
    /// The sum of what some heads write on average at the last scored position of the clean prompts: those whose mean
    /// result raises the metric of the corrupt prompts most. Reference: Todd et al., arXiv:2310.15213.
    Heads {
        /// Number of heads.
        count: usize,
    },
}

impl Default for Vector {
    fn default() -> Self {
        Self {
            from: VectorFrom::Means { positions: 1 },
            layers: Vec::new(),
            strengths: vec![0.5, 1.0, 2.0, 4.0],
            add_at: AddAt::Scored,
            add_to: None,
            text: None,
            contains: Vec::new(),
            samples: 4,
            tokens: 20,
        }
    }
}

impl Vector {
    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self, metric: Metric) -> Vec<(&'static str, String)> {
        let mut found = Mistakes::default();
        found.require(!metric.needs_full_model(), "metric", || {
            format!(
                "{metric:?} compares with the unchanged model, so it does not say whether the behaviour appears\nhint: use \
                 metric: LogitDiff, ProbDiff, Nll or Accuracy"
            )
        });
        match self.from {
            VectorFrom::Means { positions } => {
                let key = "analysis.Vector.from.Means.positions";
                found.within(key, 1..=MOST_POSITIONS, positions);
            }
            VectorFrom::Heads { count } => {
                found.within("analysis.Vector.from.Heads.count", 1..=MOST_HEADS, count);
            }
        }
        let fits = |it: &f64| it.is_finite() && it.abs() <= LARGEST_STRENGTH && *it != 0.0;
        let strengths = (1..=MOST_STRENGTHS).contains(&self.strengths.len())
            && self.strengths.iter().all(fits)
            && self.strengths.is_sorted_by(|one, next| one < next);
        found.require(strengths, "analysis.Vector.strengths", || {
            format!(
                "expected 1 to {MOST_STRENGTHS} ascending numbers other than 0, none above {LARGEST_STRENGTH}, got {:?}",
                self.strengths
            )
        });
        let ascending = self.layers.is_sorted_by(|one, next| one < next);
        found.require(ascending, "analysis.Vector.layers", || {
            format!("expected ascending layers, got {:?}", self.layers)
        });
        found.within("analysis.Vector.samples", 0..=MOST_SAMPLES, self.samples);
        found.within("analysis.Vector.tokens", 0..=MOST_TOKENS, self.tokens);
        let key = "analysis.Vector.contains";
        let say_something = self.contains.iter().all(|text| !text.trim().is_empty());
        found.require(say_something, key, || {
            "an empty text is in every sample; remove it".into()
        });
        let are_said = self.contains.is_empty() || (self.samples > 0 && self.tokens > 0);
        found.require(are_said, key, || {
            "samples or tokens is 0, so that nothing is said".into()
        });
        found.0
    }
}
