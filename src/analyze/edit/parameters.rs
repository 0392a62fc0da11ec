//! What can be asked about edits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::TokenVector;
#[cfg(feature = "cli")]
use crate::flags::{path, shown, value};

/// Most strengths of a sweep: as many as a plot has colours.
const MOST_STRENGTHS: usize = 7;
/// Largest strength.
pub(in crate::analyze) const LARGEST_STRENGTH: f64 = 1000.0;
/// Most prompts that are listed.
const MOST_LISTED: usize = 10_000;
/// Most tokens that are listed of a prediction.
const MOST_TOP: usize = 100;

/// What a model predicts when one token's direction in the stream is replaced by another's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Edit {
    /// The vector of a token: `Unembedding` (its row of the unembedding times the gain of the final norm) or `Embedding`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHICH", value_parser = value::<TokenVector>(), default_value = shown(&Edit::default().vector)))]
    pub vector: TokenVector,
    /// What strengths are multiples of: `Removed` (the component that is removed) or `Stream` (the norm of the stream).
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT", value_parser = value::<EditScale>(), default_value = shown(&Edit::default().scale)))]
    pub scale: EditScale,
    /// Where the stream is changed: `Scored` (the last scored position), `Back(2)` (two positions before it), `Every` (up to it)
    /// or `Differing` (where clean and corrupt prompt differ, with their tokens there).
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHERE", value_parser = value::<EditAt>(), default_value = shown(&Edit::default().at)))]
    pub at: EditAt,
    /// Layers after which it may be changed, one at a time, ascending [default: all].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub layers: Vec<usize>,
    /// Change the stream after all of these layers in one run.
    #[cfg_attr(feature = "cli", arg(long))]
    pub all_at_once: bool,
    /// Strengths to try, ascending, at most 7.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X,..", value_delimiter = ',', default_values_t = Edit::default().strengths, allow_hyphen_values = true))]
    pub strengths: Vec<f64>,
    /// A text file whose perplexity should not change.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", value_parser = path()))]
    pub text: Option<PathBuf>,
    /// Number of held-out prompts that are listed.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Edit::default().listed))]
    pub listed: usize,
    /// Number of top tokens that are listed for each.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Edit::default().top))]
    pub top: usize,
}

/// What strengths are multiples of. With `u` and `w` the unit vectors of the token that is replaced and of the one that replaces it, the
/// stream `x` becomes `x - a u + a w`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EditScale {
    /// Of the component that is removed: `a` is the strength times `x . u`.
    #[default]
    Removed,
    /// Of the stream's norm: `a` is the strength times `|x|`.
    Stream,
}

/// Where the stream is changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EditAt {
    /// At the last scored position: the answer's vector goes, the wrong answer's comes.
    #[default]
    Scored,
    /// The same so many positions before that.
    Back(usize),
    /// The same at every position up to that.
    Every,
    /// Where clean and corrupt prompt differ: the clean token's vector goes, the corrupt one's comes.
    Differing,
}

impl Default for Edit {
    fn default() -> Self {
        Self {
            vector: TokenVector::default(),
            scale: EditScale::default(),
            at: EditAt::default(),
            layers: Vec::new(),
            all_at_once: false,
            strengths: vec![0.5, 1.0, 2.0, 4.0],
            text: None,
            listed: 20,
            top: 5,
        }
    }
}

impl Edit {
    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &'static str, problem: String| {
            if !holds {
                found.push((key, problem));
            }
        };
        require(
            self.layers.is_sorted_by(|one, next| one < next),
            "analysis.Edit.layers",
            format!("expected ascending layers, got {:?}", self.layers),
        );
        let fits = |it: &f64| *it > 0.0 && *it <= LARGEST_STRENGTH;
        require(
            (1..=MOST_STRENGTHS).contains(&self.strengths.len())
                && self.strengths.iter().all(fits)
                && self.strengths.is_sorted_by(|one, next| one < next),
            "analysis.Edit.strengths",
            format!(
                "expected 1 to {MOST_STRENGTHS} ascending numbers above 0 and up to {LARGEST_STRENGTH}, got {:?}",
                self.strengths
            ),
        );
        for (key, most, got) in [
            ("analysis.Edit.listed", MOST_LISTED, self.listed),
            ("analysis.Edit.top", MOST_TOP, self.top),
        ] {
            require(
                got <= most,
                key,
                format!("expected at most {most}, got {got}"),
            );
        }
        found
    }
}
