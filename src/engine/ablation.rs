//! What replaces the contribution of a removed edge.

use serde::{Deserialize, Serialize};

/// The value a writer's contribution takes on a removed edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ablation {
    /// The same position of the corrupt run.
    Patch,
    /// Zero.
    Zero,
    /// Mean of the clean runs of the discovery split over examples and positions.
    Mean,
    /// Mean of the clean runs of the discovery split per position, counted from the left.
    MeanPositional,
}
