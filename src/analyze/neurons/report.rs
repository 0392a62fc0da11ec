//! What an analysis of neurons says: plain numbers, no behaviour.

use serde::Serialize;

use super::{Association, Context, DoseResponse, Group};

/// Share of the metric's range below which an effect is rounding.
const ROUNDING: f64 = 1e-5;

/// A mean over examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// The mean.
    pub mean: f64,
    /// Its 95 % bootstrap interval.
    pub interval: Option<[f64; 2]>,
}

/// The answer about a model's neurons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuronReport {
    /// Number of discovery pairs.
    pub examples_discovery: usize,
    /// Number of pairs that the effects are measured on.
    pub examples: usize,
    /// Metric on their clean prompts.
    pub metric_clean: f64,
    /// Metric on their corrupt prompts, with the answers of the clean ones.
    pub metric_corrupt: f64,
    /// Neurons screened: all of the model.
    pub neurons_screened: usize,
    /// Neurons of them whose correlation has a corrected p-value below 0.05.
    pub neurons_correlated: usize,
    /// The neurons measured, largest `|effect|` first.
    pub neurons: Vec<NeuronFigures>,
    /// Dose-response curves of those with the largest `|effect|` on the discovery prompts.
    pub doses: Vec<DoseResponse>,
    /// The smallest group found without which the behaviour is gone.
    pub group: Option<Group>,
    /// Share of the behaviour that is left on the discovery prompts when all neurons measured are replaced.
    pub remaining_without_all: f64,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What is known of one neuron.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuronFigures {
    /// Its name, such as `m3.n17`.
    pub neuron: String,
    /// Its activation on clean and corrupt prompts of the discovery split.
    pub association: Association,
    /// Its mean activation over all discovery prompts and positions.
    pub mean_activation: f64,
    /// First-order estimate of its effect, on the discovery prompts.
    pub attribution: f64,
    /// Drop of the metric when it is replaced, on the discovery prompts.
    pub effect_discovery: f64,
    /// The same on the held-out prompts.
    pub effect: Effect,
    /// The same when it is set to zero.
    pub effect_zero: Effect,
    /// What the figures say together.
    pub verdict: Verdict,
    /// Where it is most active.
    pub contexts: Vec<Context>,
}

/// Whether a neuron's activation goes with the behaviour, and whether the behaviour depends on the neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both.
    CorrelatedAndCausal,
    /// Its activation goes with the behaviour, but replacing it has no effect that can be told from none.
    CorrelatedNotCausal,
    /// The behaviour depends on it, but its activation does not tell the two kinds of prompts apart.
    CausalNotCorrelated,
    /// Neither.
    Neither,
}

impl Verdict {
    /// The verdict on a neuron's association and effect, in a model whose metric differs by `range` between the two kinds
    /// of prompts.
    pub(super) fn of(association: &Association, effect: &Effect, range: f64) -> Self {
        let [low, high] = effect.interval.unwrap_or([effect.mean; 2]);
        // What rounding alone gives is no effect, however sure it is.
        let causal = (low > 0.0 || high < 0.0) && effect.mean.abs() > ROUNDING * range.abs();
        match (association.is_significant(), causal) {
            (true, true) => Self::CorrelatedAndCausal,
            (true, false) => Self::CorrelatedNotCausal,
            (false, true) => Self::CausalNotCorrelated,
            (false, false) => Self::Neither,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::CorrelatedAndCausal => "correlated and causal",
            Self::CorrelatedNotCausal => "correlated, not causal",
            Self::CausalNotCorrelated => "causal, not correlated",
            Self::Neither => "neither",
        }
    }
}

impl NeuronReport {
    /// The answer in one line.
    pub fn finding(&self) -> String {
        let causal = |verdict| {
            matches!(
                verdict,
                Verdict::CorrelatedAndCausal | Verdict::CausalNotCorrelated
            )
        };
        let count = self.neurons.iter().filter(|it| causal(it.verdict)).count();
        let strongest = self.neurons.first().map_or_else(String::new, |first| {
            format!(", strongest {} ({:.3})", first.neuron, first.effect.mean)
        });
        let group = match &self.group {
            Some(group) => format!(
                "; without {} neurons {:.0} % of the behaviour are left",
                group.neurons.len(),
                100.0 * group.remaining
            ),
            None => format!(
                "; without all {} measured {:.0} % are left",
                self.neurons.len(),
                100.0 * self.remaining_without_all
            ),
        };
        format!(
            "{count} of {} neurons measured are causal{strongest}{group}",
            self.neurons.len()
        )
    }
}
