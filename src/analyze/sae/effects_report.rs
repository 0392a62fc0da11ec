//! What features do on a task, as plain numbers.

use serde::Serialize;

use crate::analyze::vector::Sample;
use crate::evaluate::Effect;

/// What features do on a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectsReport {
    /// Number of discovery pairs, on which features are chosen.
    pub examples_discovery: usize,
    /// Number of held-out pairs, on which they are judged.
    pub examples: usize,
    /// Mean metric on the held-out clean prompts.
    pub metric_clean: f64,
    /// The same on the corrupt ones.
    pub metric_corrupt: f64,
    /// 1 - squared distance of the reconstructions / squared distance of the mean, at the positions of the discovery prompts,
    /// clean and corrupt, that are not skipped.
    pub variance_explained: Option<f64>,
    /// Features that are active on a discovery prompt.
    pub active: usize,
    /// What is done, in the order of each feature's effects.
    pub changes: Vec<String>,
    /// The features of the largest attribution.
    pub features: Vec<FeatureEffect>,
    /// Random features of like density.
    pub random: Vec<FeatureEffect>,
    /// Means over features, and over random ones, of the size of the held-out effect, for every change.
    pub mean_size: [Vec<f64>; 2],
    /// Text written with a feature's direction added.
    pub written: Vec<SteeredSamples>,
}

/// Share of the variance below which what features do says little.
const LITTLE: f64 = 0.5;

impl EffectsReport {
    /// What a reader of it should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.metric_clean <= self.metric_corrupt {
            warnings.push(
                "the metric of the clean prompts is not above that of the corrupt ones: the model does not show this behaviour, \
                 or the prompts have each other's place"
                    .into(),
            );
        }
        if let Some(share) = self.variance_explained.filter(|share| *share < LITTLE) {
            warnings.push(format!(
                "the dictionary explains {:.0} % of the variance on the task's prompts: what its features do there says little",
                100.0 * share
            ));
        }
        warnings
    }
}

/// A feature on a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureEffect {
    /// Its number.
    pub feature: usize,
    /// Share of the discovery prompts' positions at which it is active.
    pub density: f64,
    /// Its mean activation there: the norm of what it adds to the reconstruction.
    pub mean: f64,
    /// Its mean activation at the scored position last, of clean and of corrupt prompts.
    pub at_read: [f64; 2],
    /// First-order estimate of the change of the metric when it is set to zero, on discovery prompts.
    pub attribution: f64,
    /// What each change does to the metric.
    pub effects: Vec<ChangeEffect>,
}

/// By how much the metric of the clean prompts changes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChangeEffect {
    /// On discovery prompts.
    pub discovery: f64,
    /// On held-out prompts.
    pub held_out: Effect,
}

/// Text written with a feature's direction added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SteeredSamples {
    /// The feature.
    pub feature: usize,
    /// So many times its mean activation are added.
    pub strength: f64,
    /// The samples.
    pub samples: Vec<Sample>,
}

impl EffectsReport {
    /// The answer in a few words.
    pub(super) fn finding(&self) -> String {
        let [features, random] = &self.mean_size;
        let first = |sizes: &[f64]| sizes.first().copied().unwrap_or(0.0);
        format!(
            "set to {}, a feature of the {} of the largest attribution moves the metric by {:.3}, a random one by {:.3}",
            self.changes.first().map_or("", String::as_str),
            self.features.len(),
            first(features),
            first(random)
        )
    }
}
