//! What an analysis of a vector says: plain numbers, no behaviour.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::evaluate::{Effect, Share};

/// The answer about a vector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VectorReport {
    /// Number of discovery pairs.
    pub examples_discovery: usize,
    /// Number of held-out pairs.
    pub examples: usize,
    /// Number of held-out prompts that the vector is added to.
    pub examples_added_to: usize,
    /// Layer whose leaving stream the vector is added to, chosen on discovery prompts.
    pub layer: usize,
    /// Multiple of the vector that is added, chosen there too.
    pub strength: f64,
    /// Positions back from the one read that a difference of means is taken at, chosen there too.
    pub positions_back: Option<usize>,
    /// Norm of the vector, before it is multiplied.
    pub norm: f64,
    /// Mean norm of the stream that it is added to.
    pub stream_norm: f64,
    /// Metric and accuracy on held-out clean prompts.
    pub clean: MetricAndAccuracy,
    /// The same on the prompts that the vector is added to, as they are.
    pub before: MetricAndAccuracy,
    /// The same with the vector added.
    pub added: MetricAndAccuracy,
    /// (metric with the vector - metric before) / (metric on the clean prompts - metric before); none where the clean
    /// prompts are not above.
    pub recovered: Option<Effect>,
    /// Metrics with random vectors of the same norm added.
    pub added_random: Vec<f64>,
    /// Metrics with vectors of the same norm made from shuffled labels.
    pub added_shuffled: Vec<f64>,
    /// The vector's direction ablated of the clean prompts' streams.
    pub projected_out: MetricAndAccuracy,
    /// The share of the behaviour that is left then.
    pub left: Option<RemainingBehaviour>,
    /// Metrics with random directions ablated.
    pub projected_out_random: Vec<f64>,
    /// What the vector does to text that has nothing to do with it.
    pub text: Option<UnrelatedText>,
    /// The heads of a sum, strongest first.
    pub heads: Vec<HeadEffect>,
    /// Every layer and strength tried.
    pub sweep: Vec<SweepPoint>,
    /// Generated text, with the vector added and without.
    pub samples: Vec<Sample>,
    /// Generated text from clean prompts, with the direction ablated and without.
    pub samples_clean: Vec<Sample>,
    /// Shares of samples that say what was to be said: before, added, clean, projected out.
    pub contains: Option<[Share; 4]>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// The metric with its interval, and how often the most likely token is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricAndAccuracy {
    /// The metric.
    pub metric: Effect,
    /// Share of the examples whose most likely token is an answer.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub accuracy_interval: Option<[f64; 2]>,
}

/// What is left of the behaviour: (metric - metric of the prompts without it) / (metric of the clean prompts - that).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RemainingBehaviour {
    /// With the vector's direction ablated.
    pub share: f64,
    /// With random directions ablated, on average.
    pub random: Option<f64>,
}

/// The loss on text that the vector has nothing to do with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UnrelatedText {
    /// Tokens predicted.
    pub tokens: usize,
    /// Perplexity of the model as it is.
    pub before: f64,
    /// With the vector added at every position.
    pub added: f64,
    /// With a random vector of the same norm added.
    pub added_random: f64,
    /// With the vector's direction ablated.
    pub projected_out: f64,
    /// With a random direction ablated.
    pub projected_out_random: f64,
}

/// A head of a sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadEffect {
    /// Its name, such as `a3.h1`.
    pub head: String,
    /// By how much its mean result on clean prompts raises the metric of the corrupt ones.
    pub effect: f64,
}

/// The metric with the vector added after a layer with a strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SweepPoint {
    /// The layer.
    pub layer: usize,
    /// The strength.
    pub strength: f64,
    /// Positions back from the one read.
    pub positions_back: usize,
    /// Mean metric on discovery prompts, by which one is chosen.
    pub discovery: f64,
    /// Metric on held-out prompts.
    pub held_out: Effect,
}

/// What the model writes after a prompt, as it is and changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The end of the prompt.
    pub prompt: String,
    /// Without a change.
    pub before: String,
    /// With it.
    pub after: String,
}

/// A stretch of unrelated text.
pub type Passage = Vec<u32>;

impl AnalysisReport for VectorReport {
    fn finding(&self) -> String {
        let recovered = self.recovered.map_or_else(
            || "the model does not show the behaviour".to_owned(),
            |it| format!("adding recovers {:.0} % of the behaviour", 100.0 * it.mean),
        );
        let left = self.left.map_or_else(String::new, |it| {
            format!(", taking it out leaves {:.0} %", 100.0 * it.share)
        });
        format!(
            "after layer {} times {}: {recovered}{left}",
            self.layer, self.strength
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
