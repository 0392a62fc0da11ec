//! Scores: one number per edge, the estimated drop of the metric when it is ablated; positive = the edge helps.

mod clean_corrupted;
mod eap;
mod eap_ig;
mod eap_ig_activations;
mod exact;

use crate::graph::ComputationGraph;

pub use clean_corrupted::CleanCorrupted;
pub use eap::Eap;
pub use eap_ig::EapIg;
pub use eap_ig_activations::EapIgActivations;
pub use exact::Exact;

/// Attribution of every writer: the same gradients taken at its output, which is the sum over its edges.
///
/// Reference: `EAP-IG`'s node attribution; the gradient at a writer's output is the sum of the gradients at its
/// readers.
pub fn node_scores(graph: &ComputationGraph, edge_scores: &[f64]) -> Vec<f64> {
    let mut scores = vec![0.0; graph.writers().len()];
    for (edge, score) in edge_scores.iter().enumerate() {
        scores[graph.ends(edge).0] += score;
    }
    scores
}
