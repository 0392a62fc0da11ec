//! What can be asked about neurons.

#![cfg_attr(
    feature = "cli",
    expect(
        let_underscore_drop,
        reason = "clap derives it for an optional group of flags"
    )
)]

use serde::{Deserialize, Serialize};

use crate::analyze::Mistakes;
use crate::engine::Ablation;
#[cfg(feature = "cli")]
use crate::flags::{shown, value};
use crate::metric::Metric;
use crate::task::PromptSets;

/// Most neurons whose effect is measured.
const MOST: usize = 1000;
/// Most curves: as many as a plot has colours.
const MOST_CURVES: usize = 7;
/// Most factors of a curve.
const MOST_DOSES: usize = 50;
/// Most contexts of a neuron.
const MOST_CONTEXTS: usize = 100;
/// Largest factor of a dose.
const LARGEST_DOSE: f64 = 100.0;

/// Which neurons' activation correlates with a behaviour, and which neurons the behaviour needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Neurons {
    /// Two sets of prompts that are no pairs, instead of a task: `(behaviour: FILE, other: FILE, answer: [..], wrong: [..])`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", command(flatten))]
    pub sets: Option<PromptSets>,
    /// Number of neurons whose effect is measured: so many by `|attribution|`, and so many by `|correlation|`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Neurons::default().top))]
    pub top: usize,
    /// How a neuron's activations on a prompt become one number: `Scored` (the last scored position), `Max` or `Mean`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "POOL", value_parser = value::<Pool>(), default_value = shown(&Neurons::default().pool)))]
    pub pool: Pool,
    /// What replaces a neuron's activation: `Mean`, `MeanPositional`, `Zero` or `Resample(seed: 0)`. `Zero` is always shown too.
    #[cfg_attr(feature = "cli", arg(long, value_name = "ABLATION", value_parser = value::<Ablation>(), default_value = shown(&Neurons::default().ablation)))]
    pub ablation: Ablation,
    /// Factors of the dose-response curves, ascending.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X,..", value_delimiter = ',', default_values_t = Neurons::default().doses, allow_hyphen_values = true))]
    pub doses: Vec<f64>,
    /// Number of neurons with a dose-response curve, at most 7: those with the largest `|effect|` on the discovery prompts.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Neurons::default().dose_curves))]
    pub dose_curves: usize,
    /// Share of the behaviour that may remain for a set of neurons to count as removing it.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Neurons::default().remaining, allow_negative_numbers = true))]
    pub remaining: f64,
    /// Number of contexts shown for each neuron that is measured: those where its activation is farthest from zero.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Neurons::default().contexts))]
    pub contexts: usize,
}

/// How the activations of a neuron at the positions of a prompt become one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pool {
    /// The last position that the metric reads.
    #[default]
    Scored,
    /// The largest.
    Max,
    /// The mean.
    Mean,
}

impl Default for Neurons {
    fn default() -> Self {
        Self {
            sets: None,
            top: 20,
            pool: Pool::Scored,
            ablation: Ablation::Mean,
            doses: vec![0.0, 0.5, 1.0, 1.5, 2.0, 3.0],
            dose_curves: 5,
            remaining: 0.1,
            contexts: 5,
        }
    }
}

impl Neurons {
    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self, metric: Metric) -> Vec<(&'static str, String)> {
        let mut found = Mistakes::default();
        found.require(metric.has_gradient() && !metric.needs_full_model(), "metric", || {
            format!(
                "{metric:?} has no gradient on the clean run, by which neurons are screened\nhint: use metric: LogitDiff, \
                 ProbDiff or Nll"
            )
        });
        found.within("analysis.Neurons.top", 1..=MOST, self.top);
        let fits = |dose: &f64| dose.is_finite() && dose.abs() <= LARGEST_DOSE;
        let doses = (2..=MOST_DOSES).contains(&self.doses.len()) && self.doses.iter().all(fits);
        found.require(doses, "analysis.Neurons.doses", || {
            format!(
                "expected 2 to {MOST_DOSES} factors of at most {LARGEST_DOSE}, got {:?}",
                self.doses
            )
        });
        let ascending = self.doses.is_sorted_by(|one, next| one < next);
        found.require(ascending, "analysis.Neurons.doses", || {
            format!("expected ascending factors, got {:?}", self.doses)
        });
        found.within(
            "analysis.Neurons.dose_curves",
            0..=MOST_CURVES,
            self.dose_curves,
        );
        found.within(
            "analysis.Neurons.contexts",
            0..=MOST_CONTEXTS,
            self.contexts,
        );
        let share = (0.0..1.0).contains(&self.remaining);
        found.require(share, "analysis.Neurons.remaining", || {
            format!(
                "expected at least 0 and less than 1, got {}",
                self.remaining
            )
        });
        let replaces = !matches!(self.ablation, Ablation::Optimal(_) | Ablation::Patch);
        found.require(replaces, "analysis.Neurons.ablation", || {
            format!(
                "{:?} does not replace a neuron by what it does on other prompts\nhint: use ablation: Mean, MeanPositional, \
                 Resample() or Zero",
                self.ablation
            )
        });
        if let Some(sets) = &self.sets {
            let alone = !sets.answer.is_empty() || sets.wrong.is_empty();
            found.require(alone, "analysis.Neurons.sets.wrong", || {
                "wrong answers without right ones; give `answer` too".into()
            });
        }
        found.0
    }
}
