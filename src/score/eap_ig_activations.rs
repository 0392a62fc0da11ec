//! Edge attribution patching with integrated gradients over activations (Hanna et al., 2403.17806, appendix).
//!
//! For each group of writers (the token embeddings, all heads of a layer, each MLP) and `k = 1 .. steps`, one run in
//! which the group writes `ablated + (k / steps) (clean - ablated)`: ablated not included, clean included. The
//! gradients of all runs are averaged for every edge, whatever its writer.

use serde::{Deserialize, Serialize};

use crate::engine::Evaluator;
use crate::error::Result;
use crate::graph::EdgeScores;

/// Parameters of EAP-IG over activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EapIgActivations {
    /// Number of gradient runs of each group between ablated (not included) and clean (included).
    pub steps: usize,
}

impl Default for EapIgActivations {
    fn default() -> Self {
        Self { steps: 5 }
    }
}

impl EapIgActivations {
    /// The points between ablated (0) and clean (1) at which gradients are taken.
    pub fn points(self) -> Vec<f64> {
        (1..=self.steps)
            .map(|step| step as f64 / self.steps as f64)
            .collect()
    }

    /// Scores every edge.
    ///
    /// # Errors
    /// When a gradient is not finite.
    ///
    /// # Complexity
    /// `steps` forward and backward passes for each of `2 n_layers + 1` groups.
    pub fn score(self, evaluator: &mut dyn Evaluator) -> Result<EdgeScores> {
        evaluator.activation_attribution(&self.points())
    }
}
