//! Edge attribution patching with integrated gradients over the token embedding (Hanna et al., 2403.17806).
//!
//! As EAP, with the gradient averaged over runs whose token embeddings are
//! `e(corrupt) + (k / steps) (e(clean) - e(corrupt))`, `k = 0 .. steps - 1`: corrupt included, clean not.

use serde::{Deserialize, Serialize};

use crate::engine::Evaluator;
use crate::error::Result;
use crate::graph::EdgeScores;

/// Parameters of EAP-IG (inputs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EapIg {
    /// Number of gradient runs between corrupt (included) and clean (not included).
    pub steps: usize,
}

impl Default for EapIg {
    fn default() -> Self {
        Self { steps: 5 }
    }
}

impl EapIg {
    /// The points between corrupt (0) and clean (1) at which gradients are taken.
    pub fn points(self) -> Vec<f64> {
        (0..self.steps)
            .map(|step| step as f64 / self.steps as f64)
            .collect()
    }

    /// Scores every edge.
    ///
    /// # Errors
    /// When a gradient is not finite.
    ///
    /// # Complexity
    /// `steps` forward and backward passes.
    pub fn score(self, evaluator: &mut dyn Evaluator) -> Result<EdgeScores> {
        evaluator.attribution(&self.points())
    }
}
