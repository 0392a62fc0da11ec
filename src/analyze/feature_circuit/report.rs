//! What an analysis of features says: plain numbers, no behaviour.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::analyze::neurons::Context;
use crate::analyze::sae::SaeKind;
use crate::engine::mean;
use crate::evaluate::Effect;
use crate::evaluate::{bootstrap, faithfulness};
use crate::graph::Representation;
use crate::report::FeatureEdge;

/// The answer about the features that a behaviour needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureCircuitReport {
    /// Number of discovery pairs.
    pub examples_discovery: usize,
    /// Number of pairs that the figures are of.
    pub examples: usize,
    /// The autoencoders.
    pub dictionaries: Vec<SaeScores>,
    /// Nodes of all autoencoders: features and errors.
    pub nodes_total: usize,
    /// Nodes that differ from what replaces them on some discovery pair.
    pub nodes_active: usize,
    /// Whether the faithfulness asked for was reached on the discovery pairs.
    pub target_reached: bool,
    /// Whether it was reached there, but not on the held-out pairs.
    pub below_target: bool,
    /// Faithfulness on the discovery pairs.
    pub faithfulness_discovery: Option<f64>,
    /// Metric of the full model.
    pub metric_full: f64,
    /// Metric with all nodes replaced.
    pub metric_empty: f64,
    /// Metric of the circuit.
    pub metric_circuit: f64,
    /// Share of the pairs whose largest logit is an answer: full model, circuit.
    pub accuracy: [f64; 2],
    /// Their 95 % intervals.
    pub accuracy_interval: [Option<[f64; 2]>; 2],
    /// Faithfulness of the circuit.
    pub faithfulness: Share,
    /// Faithfulness of the circuit without its errors.
    pub without_errors: Share,
    /// Faithfulness of the circuit's errors alone.
    pub errors_alone: Share,
    /// Faithfulness of all features without any error: what the autoencoders hold of the behaviour.
    pub all_features: Share,
    /// Faithfulness of what is left when the circuit is replaced: near 0 for a complete one.
    pub complement: Share,
    /// Faithfulness of the circuit's errors with as many random active features of the same autoencoders.
    pub random: Vec<f64>,
    /// The circuit, largest `|score|` first.
    pub nodes: Vec<NodeScores>,
    /// Edges between its nodes, largest `|score|` first.
    pub edges: Vec<FeatureEdge>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What is known of an autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SaeScores {
    /// The layer.
    pub layer: usize,
    /// What of it.
    pub of: Representation,
    /// Its kind.
    pub kind: SaeKind,
    /// Number of features.
    pub features: usize,
    /// Features that differ from what replaces them on some discovery pair.
    pub features_active: usize,
    /// Features of the circuit.
    pub features_kept: usize,
    /// Whether its error is in the circuit.
    pub error_kept: bool,
    /// Active features at a position of the clean discovery prompts that was run, but for the first ones, which the
    /// dictionary was trained without.
    pub l0: f64,
    /// 1 - squared error / squared distance of the mean, there.
    pub variance_explained: Option<f64>,
}

/// What is known of a node of the circuit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeScores {
    /// Its name, such as `r3.f17` or `r3.error`.
    pub node: String,
    /// Its score on the discovery pairs.
    pub score: f64,
    /// Drop of the metric when it alone is replaced, on the held-out pairs; of the nodes described.
    pub effect: Option<Effect>,
    /// Where it is most active, likewise.
    pub contexts: Vec<Context>,
}

/// A faithfulness.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The value; none where the full model's metric is that with all nodes replaced.
    pub value: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub interval: Option<[f64; 2]>,
}

impl Share {
    /// The faithfulness of a circuit, from the metric per example.
    pub(super) fn of(circuit: &[f64], [full, empty]: [&[f64]; 2], resamples: usize) -> Self {
        Self {
            value: faithfulness(mean(circuit), mean(full), mean(empty)),
            interval: bootstrap(circuit, full, empty, resamples, 0),
        }
    }
}

impl FeatureCircuitReport {
    /// Features of the circuit, and its errors.
    pub fn kept(&self) -> [usize; 2] {
        let dictionaries = self.dictionaries.iter();
        let features = dictionaries.clone().map(|it| it.features_kept).sum();
        let errors = dictionaries.filter(|it| it.error_kept).count();
        [features, errors]
    }
}

impl AnalysisReport for FeatureCircuitReport {
    fn finding(&self) -> String {
        let [features, errors] = self.kept();
        let percent = |share: &Share| {
            let value = share.value.map(|value| format!("{:.0} %", 100.0 * value));
            value.unwrap_or_else(|| "an undefined share".into())
        };
        format!(
            "{features} features and {errors} errors keep {}; without the errors {}",
            percent(&self.faithfulness),
            percent(&self.without_errors)
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn target_reached(&self) -> bool {
        self.target_reached
    }

    fn below_target(&self) -> bool {
        self.below_target
    }
}
