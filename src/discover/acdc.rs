//! ACDC: greedy removal of edges in reverse topological order.

use serde::{Deserialize, Serialize};

/// Parameters of ACDC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acdc {
    /// An edge goes when its removal lowers the metric by less than this.
    pub tau: f64,
}
