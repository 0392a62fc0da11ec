//! Edge attribution patching (Syed et al., 2310.10348).
//!
//! `score(u->v) = mean over examples of sum over positions of (o_u(clean) - o_u(ablated)) . dm/dx_v`, the gradient
//! taken on the clean run.

use serde::{Deserialize, Serialize};

use crate::engine::Evaluator;
use crate::error::Result;
use crate::graph::EdgeScores;

/// Parameters of EAP: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eap {}

impl Eap {
    /// Scores every edge.
    ///
    /// # Errors
    /// When a gradient is not finite.
    ///
    /// # Complexity
    /// One forward and one backward pass.
    pub fn score(self, evaluator: &mut dyn Evaluator) -> Result<EdgeScores> {
        evaluator.attribution(&[1.0])
    }
}
