//! What is done to single features, the error of the reconstruction kept: ablation, scaling, steering.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::dictionary::Dictionary;
use crate::analyze::Mistakes;
use crate::engine::{AddAt, Representation, Rewriting};
#[cfg(feature = "cli")]
use crate::flags::{shown, value};
use crate::metric::Metric;
use crate::model::Real;

/// Most changes: as many as a plot has colours.
const MOST_CHANGES: usize = 7;
/// Largest factor.
const LARGEST: f64 = 1000.0;
/// Most features measured, or steered by.
const MOST_FEATURES: usize = 10_000;
/// Most samples of text, and tokens of one.
const MOST_TOKENS: usize = 1000;

/// What becomes of a feature's activation. What else is in the representation stays, the reconstruction's error too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum FeatureChange {
    /// Zero.
    Zero,
    /// Its mean over the positions of the discovery prompts, of both kinds, that are not skipped.
    Mean,
    /// So many times what it is.
    Scale(f64),
    /// What it is, and so many times its mean where it is active on the discovery prompts: steering along its decoder
    /// direction, also where it is not active.
    Add(f64),
}

/// What is done to features on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct FeatureEffects {
    /// Number of features whose effect on a task is measured: those with the largest attribution.
    #[cfg_attr(feature = "cli", arg(long, requires = "task", value_name = "N", default_value_t = FeatureEffects::default().top))]
    pub top: usize,
    /// What is done to each: `Zero`, `Mean`, `Scale(2.0)`, `Add(4.0)` (so many times its mean activation).
    #[cfg_attr(feature = "cli", arg(long, requires = "task", value_name = "CHANGE,..", value_delimiter = ',', value_parser = value::<FeatureChange>(), default_values = FeatureEffects::default().changes.iter().map(shown)))]
    pub changes: Vec<FeatureChange>,
    /// Where: `Scored` (the scored positions) or `Every`.
    #[cfg_attr(feature = "cli", arg(long, requires = "task", value_name = "WHERE", value_parser = value::<AddAt>(), default_value = shown(&FeatureEffects::default().at)))]
    pub at: AddAt,
    /// Number of features with which text is generated, the largest effect first.
    #[cfg_attr(feature = "cli", arg(long, requires = "task", value_name = "N", default_value_t = FeatureEffects::default().written))]
    pub written: usize,
    /// What is added of a feature in generated text, as for `Add`.
    #[cfg_attr(feature = "cli", arg(long, requires = "task", value_name = "X", default_value_t = FeatureEffects::default().strength, allow_negative_numbers = true))]
    pub strength: f64,
    /// Number of samples of text for each, after held-out prompts.
    #[cfg_attr(feature = "cli", arg(long, requires = "task", value_name = "N", default_value_t = FeatureEffects::default().samples))]
    pub samples: usize,
    /// Tokens of a sample.
    #[cfg_attr(feature = "cli", arg(id = "effects.tokens", long = "sample-tokens", requires = "task", value_name = "N", default_value_t = FeatureEffects::default().tokens))]
    pub tokens: usize,
}

impl Default for FeatureEffects {
    fn default() -> Self {
        Self {
            top: 20,
            changes: vec![
                FeatureChange::Zero,
                FeatureChange::Mean,
                FeatureChange::Scale(2.0),
                FeatureChange::Add(4.0),
            ],
            at: AddAt::Every,
            written: 3,
            strength: 4.0,
            samples: 2,
            tokens: 20,
        }
    }
}

impl FeatureEffects {
    /// Notes values that make no sense, each with its key in the spec.
    pub(super) fn mistakes(&self, metric: Metric, found: &mut Mistakes) {
        let gradient = metric.has_gradient() && !metric.needs_full_model();
        found.require(gradient, "metric", || {
            format!(
                "{metric:?} has no gradient on the clean prompts, by which features are chosen\nhint: use metric: \
                 LogitDiff, ProbDiff or Nll"
            )
        });
        let mut numbers = self.changes.iter().filter_map(|change| match change {
            FeatureChange::Scale(by) | FeatureChange::Add(by) => Some(*by),
            FeatureChange::Zero | FeatureChange::Mean => None,
        });
        let fits = |by: f64| by.is_finite() && by.abs() <= LARGEST;
        let some = (1..=MOST_CHANGES).contains(&self.changes.len()) && numbers.all(fits);
        found.require(some, "analysis.Sae.effects.changes", || {
            format!(
                "expected 1 to {MOST_CHANGES} changes by numbers of at most {LARGEST}, got {:?}",
                self.changes
            )
        });
        found.require(fits(self.strength), "analysis.Sae.effects.strength", || {
            format!(
                "expected a number of at most {LARGEST}, got {}",
                self.strength
            )
        });
        found.within("analysis.Sae.effects.top", 1..=MOST_FEATURES, self.top);
        found.within(
            "analysis.Sae.effects.written",
            0..=MOST_FEATURES,
            self.written,
        );
        found.within(
            "analysis.Sae.effects.samples",
            0..=MOST_TOKENS,
            self.samples,
        );
        found.within("analysis.Sae.effects.tokens", 0..=MOST_TOKENS, self.tokens);
    }
}

/// Where features are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// At all positions, or where logits are read.
    pub at: AddAt,
    /// Positions at the start of each prompt that are left as they are.
    pub skip_first: usize,
}

/// A feature with what changes refer to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    /// The feature.
    pub feature: usize,
    /// Its mean code over all rows.
    pub mean: f64,
    /// Its mean code where it is active.
    pub active: f64,
}

impl FeatureChange {
    /// By how much a code changes.
    pub(super) fn difference(self, code: f64, usual: &Usual) -> f64 {
        match self {
            Self::Zero => -code,
            Self::Mean => usual.mean - code,
            Self::Scale(by) => (by - 1.0) * code,
            Self::Add(by) => by * usual.active,
        }
    }
}

/// Representations with one feature changed in some rows; `codes` is `[rows, features]`, and `None` stands for no change
/// at all.
pub(super) fn changed<T: Real>(
    dictionary: &Dictionary<T>,
    (rows, codes): (&[T], &[T]),
    which: &[usize],
    (change, usual): (FeatureChange, &Usual),
) -> Option<Vec<T>> {
    let (width, features) = (dictionary.width, dictionary.features);
    let direction = dictionary.direction(usual.feature);
    let mut out: Option<Vec<T>> = None;
    for &row in which {
        let code = codes[row * features + usual.feature].to_f64();
        let difference = change.difference(code, usual);
        if difference == 0.0 {
            continue;
        }
        let out = out.get_or_insert_with(|| rows.to_vec());
        let values = &mut out[row * width..(row + 1) * width];
        for (value, direction) in values.iter_mut().zip(&direction) {
            *value += T::from_f64(difference * direction);
        }
    }
    out
}

/// A change of a feature in every run, for text.
pub(super) fn rewriting<T: Real>(
    dictionary: &Dictionary<T>,
    site: (usize, Representation),
    places: Places,
    (change, usual): (FeatureChange, Usual),
) -> Rewriting<T> {
    let dictionary = dictionary.clone();
    Rewriting::new(site, move |rows, found| {
        let which = found.rows(places.at, places.skip_first);
        let codes = dictionary.encode(&dictionary.scaled(rows));
        if let Some(out) = changed(&dictionary, (rows, &codes), &which, (change, &usual)) {
            rows.copy_from_slice(&out);
        }
    })
}

impl fmt::Display for FeatureChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => write!(f, "zero"),
            Self::Mean => write!(f, "mean"),
            Self::Scale(by) => write!(f, "times {by}"),
            Self::Add(by) => write!(f, "plus {by}"),
        }
    }
}
