//! Edge attribution patching with the gradient averaged over the clean and the corrupt run.
//!
//! The two ends of EAP-IG's path alone. Reference: EAP-IG's method `clean-corrupted`.

use serde::{Deserialize, Serialize};

use crate::engine::Evaluator;
use crate::error::Result;
use crate::graph::EdgeScores;

/// Parameters of clean-corrupted attribution: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanCorrupted {}

impl CleanCorrupted {
    /// The points between corrupt (0) and clean (1) at which gradients are taken: both ends.
    pub fn points(self) -> Vec<f64> {
        vec![1.0, 0.0]
    }

    /// Scores every edge.
    ///
    /// # Errors
    /// When a gradient is not finite.
    ///
    /// # Complexity
    /// Two forward and backward passes.
    pub fn score(self, evaluator: &mut dyn Evaluator) -> Result<EdgeScores> {
        evaluator.attribution(&self.points())
    }
}
