//! What an analysis of a relation says: plain numbers, no behaviour.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::evaluate::Share;

/// Which samples of the data played which part, numbered from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationRows {
    /// Those that Jacobians were taken of.
    pub trained_on: Vec<usize>,
    /// Those by which layer, factor and rank were chosen.
    pub chosen_on: Vec<usize>,
    /// Those, of discovery or held out, of which the model does not say the object: they are left out.
    pub unknown: Vec<usize>,
}

/// The answer about a relation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RelationReport {
    /// The relation's name.
    pub relation: String,
    /// The template, chosen on discovery subjects unless the question names one.
    pub template: String,
    /// Subjects shown with their objects in front of every prompt.
    pub shown: Vec<String>,
    /// Which samples played which part.
    #[serde(skip)]
    pub rows: RelationRows,
    /// Discovery subjects of which the model says the object.
    pub known_discovery: Share,
    /// Held-out subjects of which it does: all figures below are of these.
    pub known: Share,
    /// Discovery subjects that Jacobians were taken of.
    pub trained_on: usize,
    /// Discovery subjects by which layer, factor and rank were chosen.
    pub chosen_on: usize,
    /// Whether the map decodes to the model's prediction.
    pub faithful: FaithfulnessResult,
    /// Whether the inverse of the map makes the model say another object; nothing where the model says the same of all
    /// held-out subjects.
    pub causal: Option<CausalityResult>,
    /// The factors tried.
    pub betas: Vec<f64>,
    /// The ranks tried.
    pub ranks: Vec<usize>,
    /// Every layer, each with its own factor and rank.
    pub layers: Vec<LayerScores>,
    /// The held-out subjects that the model answers correctly.
    pub subjects: Vec<SubjectRow>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// How often the map decodes to the model's prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaithfulnessResult {
    /// Layer after which subjects are taken.
    pub layer: usize,
    /// Factor of `W s`.
    pub beta: f64,
    /// Held-out subjects whose most likely token is the model's.
    pub held_out: Share,
    /// The same by other means.
    pub baselines: FaithfulBaselines,
}

/// How often something else predicts what the model predicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaithfulBaselines {
    /// The model itself, without examples in the prompt.
    pub zero_shot: Option<Share>,
    /// The model itself, with the subject left out of the prompt.
    pub without_subject: Option<Share>,
    /// What it says most often of discovery subjects.
    pub most_common: Share,
    /// The subject's stream, decoded as it is.
    pub logit_lens: Share,
    /// The subject's stream with the mean of `o - s` added.
    pub translation: Share,
    /// The map of another held-out subject.
    pub other_subject: Share,
    /// Random maps of the same Frobenius norm, with biases of their own: their shares.
    pub random_maps: Vec<f64>,
}

/// How often a change of the subject's stream makes the model say the object of another subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CausalityResult {
    /// Layer after which the stream is changed.
    pub layer: usize,
    /// Rank of the inverse.
    pub rank: usize,
    /// Held-out subjects of which the model says the other object.
    pub held_out: Share,
    /// Mean norm of the change, as a share of the subject's norm.
    pub relative_norm: f64,
    /// The same by other means.
    pub baselines: CausalBaselines,
}

/// How often another change makes the model say the object of another subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CausalBaselines {
    /// The other subject's stream instead: what the model itself would have there.
    pub replaced: Share,
    /// `o' - o` added as it is.
    pub translation: Share,
    /// Random vectors of the change's norm: their shares.
    pub random: Vec<f64>,
}

/// The figures of a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerScores {
    /// The layer.
    pub layer: usize,
    /// The factor with the largest share of discovery subjects, of several that with the largest log-probability.
    pub beta: f64,
    /// Discovery subjects whose decoded token is the model's.
    pub faithful_discovery: Share,
    /// The mean log-probability, in nats, that they give to the model's prediction.
    pub faithful_log_probability: f64,
    /// Held-out ones.
    pub faithful: Share,
    /// The rank with the largest share of discovery subjects, of several that with the largest log-probability.
    pub rank: Option<usize>,
    /// Discovery subjects of which the model says the other object.
    pub causal_discovery: Option<Share>,
    /// The mean log-probability, in nats, that the model then gives to the other objects.
    pub causal_log_probability: Option<f64>,
    /// Held-out ones.
    pub causal: Option<Share>,
    /// The share of discovery subjects whose decoded token is the model's, by factor.
    pub faithful_by_beta: Vec<f64>,
    /// That of those of which the model says the other object, by rank.
    pub causal_by_rank: Vec<f64>,
}

/// A held-out subject that the model answers correctly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectRow {
    /// The subject.
    pub subject: String,
    /// What the model says of it.
    pub said: String,
    /// What the map decodes to.
    pub decoded: String,
    /// The subject whose object it was made to say.
    pub other: Option<String>,
    /// That object.
    pub wanted: Option<String>,
    /// What the model says with the stream changed.
    pub edited: Option<String>,
}

impl AnalysisReport for RelationReport {
    fn finding(&self) -> String {
        let percent = |share: &Share| format!("{:.0} %", 100.0 * share.share);
        let causal = self.causal.as_ref().map_or_else(
            || "every subject has the same object".to_owned(),
            |it| {
                format!(
                    "causality {} (layer {}, rank {})",
                    percent(&it.held_out),
                    it.layer,
                    it.rank
                )
            },
        );
        format!(
            "the model answers {} of {}; faithfulness {} (layer {}, beta {}), {causal}",
            self.known.count,
            self.known.of,
            percent(&self.faithful.held_out),
            self.faithful.layer,
            self.faithful.beta
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
