//! How far a search may go, how far it went, and why it stopped.

use serde::{Deserialize, Serialize};

/// Limits of a search. The best circuit found until then is its result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// Minutes that the search may take, without the evaluation of the circuit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Number of circuits that it may measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuits: Option<u64>,
}

impl Limit {
    /// Whether there is no limit.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a search stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It was done.
    #[default]
    Finished,
    /// It reached the limit of circuits measured.
    CircuitLimit,
    /// It reached the time limit.
    TimeLimit,
    /// The observer interrupted it.
    Interrupted,
}

impl StopReason {
    /// Whether the search ended by itself.
    pub fn is_finished(&self) -> bool {
        *self == Self::Finished
    }

    /// What stopped the search, after "the search"; none if it was done.
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Finished => None,
            Self::CircuitLimit => Some("stopped at its limit of circuits"),
            Self::TimeLimit => Some("stopped at its time limit"),
            Self::Interrupted => Some("was interrupted"),
        }
    }
}

/// One iteration of a search: a pass over edges, or the search for a size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Iteration {
    /// What was done, such as `elimination in blocks of 4`.
    pub name: String,
    /// Circuits measured in it.
    pub circuits: u64,
    /// Edges of the best circuit after it.
    pub edges: usize,
    /// Mean metric of that circuit on the discovery examples, if it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<f64>,
}

/// How a search went.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SearchRecord {
    /// Why it stopped.
    pub stop: StopReason,
    /// Circuits measured, the full model and the empty circuit included.
    pub circuits: u64,
    /// Its iterations, in order.
    pub iterations: Vec<Iteration>,
}
