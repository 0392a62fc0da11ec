//! One step of a step-wise search, as written to `trace.jsonl`.

use serde::Serialize;

/// What a search decided about one edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The edge, by number.
    pub edge: usize,
    /// Metric before minus metric after its removal; 0 when untested.
    pub change: f64,
    /// Whether it stays.
    pub kept: bool,
    /// False for edges into readers that were already dead.
    pub tested: bool,
}

/// A decision as a line of `trace.jsonl`.
#[derive(Debug, Serialize)]
pub struct TraceLine {
    /// The edge's name.
    pub edge: String,
    /// Metric before minus metric after.
    pub change: f64,
    /// Whether the edge stays.
    pub kept: bool,
    /// Present, and false, for edges of dead readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<bool>,
}
