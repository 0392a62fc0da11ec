//! A circuit: the edges kept, with the scores that chose them.

use super::{ComputationGraph, EdgeMask};

/// One number per edge, by edge number.
pub type EdgeScores = Vec<f64>;

/// The edges kept of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Circuit {
    /// The edges kept.
    pub kept: EdgeMask,
    /// Score of every edge of the full graph: an estimate of the metric's drop when the edge is ablated, or, for
    /// ACDC, the recorded change.
    pub scores: Option<EdgeScores>,
}

impl Circuit {
    /// Number of edges kept.
    pub fn edge_count(&self) -> usize {
        self.kept.len()
    }

    /// Numbers of the writers with a kept outgoing edge, `input` included, `logits` not.
    pub fn writers(&self, graph: &ComputationGraph) -> Vec<usize> {
        let mut used = vec![false; graph.writers().len()];
        for reader in 0..graph.readers().len() {
            for writer in self.kept.writers_into(reader) {
                used[writer] = true;
            }
        }
        (0..used.len()).filter(|&writer| used[writer]).collect()
    }
}

/// Edges by descending `|score|` (or signed score), ties by writer, then reader.
pub fn ranking(scores: &[f64], by_magnitude: bool) -> Vec<usize> {
    let key = |edge: usize| {
        if by_magnitude {
            scores[edge].abs()
        } else {
            scores[edge]
        }
    };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));
    order
}
