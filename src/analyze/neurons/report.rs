//! What an analysis of neurons says: plain numbers, no behaviour.

use serde::Serialize;

use crate::analyze::Effect;

use super::{Association, Context, DoseResponse, Group};

/// Share of the metric's size below which an effect is rounding.
const ROUNDING: f64 = 1e-5;

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
    /// Share of the behaviour that is left on the discovery prompts when all neurons measured are replaced; none where the
    /// metric on the clean prompts is not above that on the corrupt ones.
    pub remaining_without_all: Option<f64>,
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
    /// There is no interval of the effect.
    Undecided,
}

impl Verdict {
    /// The verdict on a neuron's association and its effects on held-out and on discovery prompts, where the metric is of
    /// this size.
    pub(super) fn of(
        association: &Association,
        effect: &Effect,
        discovery: f64,
        size: f64,
    ) -> Self {
        let Some([low, high]) = effect.interval else {
            return Self::Undecided;
        };
        let sure = (low > 0.0 && discovery > 0.0) || (high < 0.0 && discovery < 0.0);
        // What rounding alone gives is no effect, however sure it is.
        let causal = sure && effect.mean.abs() > ROUNDING * size;
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
            Self::Undecided => "undecided",
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
        let left = |share: Option<f64>| {
            share.map_or_else(
                || "an unknown share".into(),
                |share| format!("{:.0} %", 100.0 * share),
            )
        };
        let group = match (&self.group, self.remaining_without_all) {
            (Some(group), _) => format!(
                "; without {} neurons {} of the behaviour are left",
                group.neurons.len(),
                left(group.remaining)
            ),
            (None, Some(share)) => format!(
                "; without all {} measured {} are left",
                self.neurons.len(),
                left(Some(share))
            ),
            (None, None) => "; the model does not show the behaviour".into(),
        };
        format!(
            "{count} of {} neurons measured are causal{strongest}{group}",
            self.neurons.len()
        )
    }
}
