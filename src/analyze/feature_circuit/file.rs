//! `features.ron` of a result.

use super::report::FeatureCircuitReport;
use crate::report::circuit::features_file::FORMAT;
use crate::report::{FeatureSource, FeaturesFile, ScoredNode};

/// The file of a result.
pub fn features_file(report: &FeatureCircuitReport, source: FeatureSource) -> FeaturesFile {
    let figures = [
        ("faithfulness", report.faithfulness.value),
        ("faithfulness_without_errors", report.without_errors.value),
        ("faithfulness_complement", report.complement.value),
        ("metric_circuit", Some(report.metric_circuit)),
        ("metric_empty", Some(report.metric_empty)),
        ("metric_full", Some(report.metric_full)),
    ];
    let nodes = report.nodes.iter().map(|it| ScoredNode {
        node: it.node.clone(),
        score: it.score,
    });
    FeaturesFile {
        format: FORMAT,
        source,
        figures: figures
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        nodes: nodes.collect(),
        edges: report.edges.clone(),
    }
}
