//! What causal tracing says: plain numbers and text.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use super::item::Role;
use crate::evaluate::Effect;

/// The answer of causal tracing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TracingReport {
    /// Number of prompts that the model answers, by which the sites below are chosen.
    pub examples_discovery: usize,
    /// Number of prompts that it answers and that judge them.
    pub examples: usize,
    /// Number of prompts that it does not answer; they are left out.
    pub examples_unknown: usize,
    /// Their numbers among all prompts, those of discovery first.
    #[serde(skip)]
    pub unanswered: Vec<usize>,
    /// Standard deviation of the noise.
    pub sigma: f64,
    /// Probability of the answers without noise, over all prompts that the model answers.
    pub clean: Effect,
    /// With noise.
    pub noised: Effect,
    /// The site of the largest mean effect on discovery prompts, for each part.
    pub peaks: Vec<TracePeak>,
    /// Mean effects of all sites, over all prompts that the model answers.
    pub cells: Vec<TraceCell>,
    /// The layers.
    pub layers: Vec<usize>,
    /// The prompts with the effects of the stream.
    pub items: Vec<TracedItem>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TracePart {
    /// The stream after a layer.
    Stream,
    /// What the attentions of some layers write.
    Attention,
    /// What the MLPs of some layers write.
    Mlp,
}

impl TracePart {
    /// Those that are restored with a window of so many layers.
    pub(super) fn all(window: usize) -> &'static [Self] {
        if window == 0 {
            &[Self::Stream]
        } else {
            &[Self::Stream, Self::Attention, Self::Mlp]
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Attention => "attention",
            Self::Mlp => "mlp",
        }
    }
}

/// The site of the largest mean effect on discovery prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TracePeak {
    /// What is restored.
    pub part: TracePart,
    /// The layer, or the middle of the layers.
    pub layer: usize,
    /// Where.
    pub role: Role,
    /// Mean effect there on held-out prompts, in probability.
    pub effect: Effect,
    /// The same for changes of the stream of the same size along random directions, a mean over these; of the stream only.
    pub random: Option<Effect>,
}

/// The mean effect of a site.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TraceCell {
    /// What is restored.
    pub part: TracePart,
    /// The layer, or the middle of the layers.
    pub layer: usize,
    /// Where; of prompts with several such positions their mean counts.
    pub role: Role,
    /// Number of prompts with such a position.
    pub examples: usize,
    /// Mean effect, in probability.
    pub effect: Effect,
}

/// A prompt with the effects of the stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TracedItem {
    /// The tokens from the subject on.
    pub tokens: Vec<String>,
    /// Number of tokens of the subject.
    pub subject: usize,
    /// Probability of the answers without noise.
    pub clean: f64,
    /// With noise.
    pub noised: f64,
    /// Effects by layer and token.
    pub effects: Vec<Vec<f64>>,
}

impl AnalysisReport for TracingReport {
    fn finding(&self) -> String {
        let peak = self.peaks.first().map_or_else(String::new, |peak| {
            format!(
                "; restoring the stream after layer {} at the {} recovers {:.3}",
                peak.layer,
                peak.role.name(),
                peak.effect.mean
            )
        });
        format!(
            "noise on the subject takes the answer from {:.3} to {:.3}{peak}",
            self.clean.mean, self.noised.mean
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
