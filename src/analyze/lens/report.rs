//! What a lens shows, as data.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use super::attribution::Attribution;
use super::seen::LensPrediction;
use super::tuned::TunedLensScores;
use crate::evaluate::{Effect, Share};

/// The answer about what a model would say after each layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensReport {
    /// Number of prompts.
    pub prompts: usize,
    /// What is tracked: `the answer`, a token, or `the model's prediction`.
    pub tracked: String,
    /// By site, first to last: means over prompts at the scored position.
    pub places: Vec<SiteScores>,
    /// Prompts at all positions.
    pub drawn: Vec<DrawnPrompt>,
    /// What every part of the model adds to the logit.
    pub attribution: Option<Attribution>,
    /// What the tuned lens is worth.
    pub tuned: Option<TunedLensScores>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What is seen at a site, means over prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteScores {
    /// The site.
    pub place: String,
    /// Blocks that ran before it.
    pub blocks: f64,
    /// Through the logit lens.
    pub logit_lens: LensScores,
    /// Mean probability of what another prompt follows.
    pub other_prompt_probability: Option<f64>,
    /// Through the tuned lens.
    pub tuned_lens: Option<LensScores>,
}

/// What a lens says of the tokens tracked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensScores {
    /// KL divergence of the model's own output from it, in nats.
    pub kl: Effect,
    /// Probability of the tokens.
    pub probability: Effect,
    /// 1 over the rank of the first of them.
    pub reciprocal_rank: Effect,
    /// Median rank of the first of them.
    pub median_rank: f64,
    /// Share of the prompts where one of them is the most likely token.
    pub top1: Share,
}

/// A prompt at all sites and positions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrawnPrompt {
    /// The texts of its tokens.
    pub tokens: Vec<String>,
    /// The scored position.
    pub read: usize,
    /// The texts of what is tracked; none where that is the model's prediction at each position.
    pub tracked: Vec<String>,
    /// The sites.
    pub places: Vec<String>,
    /// `[sites][positions]`.
    pub logit_lens: Vec<Vec<LensPrediction>>,
    /// The same through the tuned lens, where there is one.
    pub tuned_lens: Vec<Vec<LensPrediction>>,
}

impl LensReport {
    /// The tuned lens's mean improvement over sites.
    fn tuned_gain(&self) -> Option<f64> {
        let places = &self.tuned.as_ref()?.places;
        let sum: f64 = places.iter().map(|it| it.improvement.mean).sum();
        (!places.is_empty()).then(|| sum / places.len() as f64)
    }
}

impl AnalysisReport for LensReport {
    fn finding(&self) -> String {
        let first = self
            .places
            .iter()
            .find(|it| it.logit_lens.median_rank <= 1.0);
        let first = first.map_or_else(
            || {
                format!(
                    "{} is never the top token at half of the prompts",
                    self.tracked
                )
            },
            |it| {
                format!(
                    "{} is first from {} on at half of the prompts",
                    self.tracked, it.place
                )
            },
        );
        match self.tuned_gain() {
            None => first,
            Some(gain) => format!("{first}; the tuned lens is {gain:.2} nats nearer to the output"),
        }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
