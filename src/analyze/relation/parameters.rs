//! What can be asked about a relation.

use std::path::PathBuf;

#[cfg(feature = "cli")]
use crate::flags::path;
use serde::{Deserialize, Serialize};

/// Most examples in a prompt.
const MOST_SHOTS: usize = 50;
/// Most subjects that Jacobians are taken of.
const MOST_TRAINING: usize = 1000;
/// Most factors, and most ranks, that are tried.
const MOST_TRIED: usize = 32;
/// Largest factor.
const LARGEST_BETA: f64 = 1000.0;

/// Whether a relation is a linear map inside the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// The relation: a JSON file with `prompt_templates` and `samples` of `subject` and `object`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE.json", value_parser = path()))]
    pub data: PathBuf,
    /// Number of the template, from 0 [default: the one with which the model answers most discovery subjects].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub template: Option<usize>,
    /// Number of few-shot examples in front of every prompt; their subjects serve nothing else.
    #[serde(default = "default_shots")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_shots()))]
    pub shots: usize,
    /// Largest number of subjects used to fit the map; at most half of those that the model answers.
    #[serde(default = "default_train")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_train()))]
    pub train: usize,
    /// Layers after which subjects are taken [default: all but the last].
    #[serde(default)]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub layers: Vec<usize>,
    /// Candidate factors of `W s`.
    #[serde(default = "default_betas")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X,..", value_delimiter = ',', default_values_t = default_betas(), allow_hyphen_values = true))]
    pub betas: Vec<f64>,
    /// Candidate ranks of the inverse; one above `d_model` is `d_model`.
    #[serde(default = "default_ranks")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = default_ranks()))]
    pub ranks: Vec<usize>,
    /// Seed of which subjects are examples, which fit the map, and which are swapped.
    #[serde(default)]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0))]
    pub seed: u64,
}

fn default_shots() -> usize {
    4
}

fn default_train() -> usize {
    8
}

fn default_betas() -> Vec<f64> {
    vec![1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]
}

fn default_ranks() -> Vec<usize> {
    vec![8, 16, 32, 64, 128, 256]
}

impl Relation {
    /// The question about a file with everything else left as it is.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            template: None,
            shots: default_shots(),
            train: default_train(),
            layers: Vec::new(),
            betas: default_betas(),
            ranks: default_ranks(),
            seed: 0,
        }
    }

    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &'static str, problem: String| {
            if !holds {
                found.push((key, problem));
            }
        };
        require(
            self.shots <= MOST_SHOTS,
            "analysis.Relation.shots",
            format!("expected at most {MOST_SHOTS}, got {}", self.shots),
        );
        require(
            (1..=MOST_TRAINING).contains(&self.train),
            "analysis.Relation.train",
            format!("expected 1 to {MOST_TRAINING}, got {}", self.train),
        );
        require(
            self.layers.is_sorted_by(|one, next| one < next),
            "analysis.Relation.layers",
            format!("expected ascending layers, got {:?}", self.layers),
        );
        let fits = |beta: &f64| *beta > 0.0 && *beta <= LARGEST_BETA;
        require(
            (1..=MOST_TRIED).contains(&self.betas.len())
                && self.betas.iter().all(fits)
                && self.betas.is_sorted_by(|one, next| one < next),
            "analysis.Relation.betas",
            format!(
                "expected 1 to {MOST_TRIED} ascending numbers above 0, none above {LARGEST_BETA}, got {:?}",
                self.betas
            ),
        );
        require(
            (1..=MOST_TRIED).contains(&self.ranks.len())
                && self.ranks.first() != Some(&0)
                && self.ranks.is_sorted_by(|one, next| one < next),
            "analysis.Relation.ranks",
            format!(
                "expected 1 to {MOST_TRIED} ascending numbers above 0, got {:?}",
                self.ranks
            ),
        );
        found
    }
}
