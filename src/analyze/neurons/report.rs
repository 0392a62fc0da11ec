//! What an analysis of neurons says: plain numbers, no behaviour.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::analyze::sign::SURE;
use crate::evaluate::Effect;

use super::{Association, Context, Contrast, DoseResponse, NeuronSet};

/// Share of the metric's size below which an effect is rounding.
const ROUNDING: f64 = 1e-5;

/// The answer about a model's neurons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuronReport {
    /// What the two kinds of prompts are to each other. Clean are those that show the behaviour, corrupt the others.
    pub compared: Contrast,
    /// Number of clean discovery prompts.
    pub examples_discovery: usize,
    /// Number of clean prompts that the effects are measured on.
    pub examples: usize,
    /// Number of corrupt discovery prompts.
    pub examples_other_discovery: usize,
    /// Number of the other corrupt prompts.
    pub examples_other: usize,
    /// Metric on the clean prompts that the effects are measured on.
    pub metric_clean: f64,
    /// Metric on the corrupt prompts beside them: of pairs with the answers of the clean ones, of sets with their own.
    pub metric_corrupt: f64,
    /// Neurons screened: all of the model.
    pub neurons_screened: usize,
    /// Neurons of them whose correlation has a corrected p-value below 0.05.
    pub neurons_correlated: usize,
    /// The neurons measured, largest `|effect|` first.
    pub neurons: Vec<NeuronScores>,
    /// Dose-response curves of those with the largest `|effect|` on the discovery prompts.
    pub doses: Vec<DoseResponse>,
    /// The smallest group found without which the behaviour is gone.
    pub group: Option<NeuronSet>,
    /// Share of the behaviour that is left on the discovery prompts when all neurons measured are replaced; none where the
    /// metric on the clean prompts is not above that without the behaviour.
    pub remaining_without_all: Option<f64>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What is known of one neuron.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuronScores {
    /// Its name, such as `m3.n17`.
    pub neuron: String,
    /// Its activation on clean and corrupt prompts of the discovery split.
    pub association: Association,
    /// Its mean activation over all discovery prompts and positions.
    pub mean_activation: f64,
    /// First-order estimate of its effect, on the discovery prompts.
    pub attribution: f64,
    /// Drop of the metric when it is replaced, on the discovery prompts; of texts, how much more it drops than that of the
    /// other texts.
    pub effect_discovery: f64,
    /// The same on the held-out prompts.
    pub effect: Effect,
    /// The p-value of its having the sign of that on the discovery prompts; none of fewer than ten prompts of a kind.
    pub p_effect: Option<f64>,
    /// The same when it is set to zero.
    pub effect_zero: Effect,
    /// Drop of the metric of the other held-out prompts when it is replaced; none for pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect_other: Option<Effect>,
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
    /// There are too few prompts to tell the effect from none.
    Undecided,
}

impl Verdict {
    /// The verdict on a neuron's association and its effect on held-out prompts, with the p-value of its sign, where the
    /// metric is of this size.
    pub(super) fn of(
        association: &Association,
        (effect, p): (f64, Option<f64>),
        size: f64,
    ) -> Self {
        let Some(p) = p else {
            return Self::Undecided;
        };
        // What rounding alone gives is no effect, however sure it is.
        let causal = p <= SURE && effect.abs() > ROUNDING * size;
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
    /// What a group takes away: what its shares are shares of.
    pub fn whole(&self) -> &'static str {
        match self.compared {
            Contrast::Pairs | Contrast::Sets => "the behaviour",
            Contrast::Texts => "what all neurons measured do for the texts",
        }
    }
}

impl AnalysisReport for NeuronReport {
    fn finding(&self) -> String {
        let causal = |verdict| {
            matches!(
                verdict,
                Verdict::CorrelatedAndCausal | Verdict::CausalNotCorrelated
            )
        };
        let count = self.neurons.iter().filter(|it| causal(it.verdict)).count();
        let mut strongest = self.neurons.iter().filter(|it| causal(it.verdict));
        let strongest = strongest.next().map_or_else(String::new, |first| {
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
                "; without {} neurons {} of {} are left",
                group.neurons.len(),
                left(group.remaining),
                self.whole()
            ),
            (None, Some(share)) => format!(
                "; without all {} measured {} are left",
                self.neurons.len(),
                left(Some(share))
            ),
            (None, None) if self.compared == Contrast::Texts => String::new(),
            (None, None) => "; the model does not show the behaviour".into(),
        };
        let measured = self.neurons.len();
        let decided = |it: &NeuronScores| it.verdict != Verdict::Undecided;
        if measured > 0 && !self.neurons.iter().any(decided) {
            return format!(
                "{measured} neurons are measured; too few prompts to call them causal or not{group}"
            );
        }
        format!("{count} of {measured} neurons measured are causal{strongest}{group}")
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
