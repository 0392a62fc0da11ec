//! What replaces the contribution of a removed edge.

use serde::{Deserialize, Serialize};

/// The value a writer's contribution takes on a removed edge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Ablation {
    /// The same position of the corrupt run.
    Patch,
    /// Zero.
    Zero,
    /// Mean of the clean runs of the discovery split over examples and positions.
    Mean,
    /// Mean of the clean runs of the discovery split per position, counted from the left.
    MeanPositional,
    /// The same position of the clean run of another example of the discovery split, of equal length.
    Resample(Resample),
    /// A constant per writer, learned on the discovery split.
    Optimal(Optimal),
}

/// Parameters of resample ablation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resample {
    /// Seed of the draw of the other examples.
    pub seed: u64,
}

/// Parameters of optimal ablation: of the training of its constants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimal {
    /// Steps of gradient descent.
    pub steps: usize,
    /// Size of the first steps, falling to 0 with the last; in units of the writer's standard deviation over the clean
    /// runs.
    pub learning_rate: f64,
    /// Seed of the draw of the writers that are replaced.
    pub seed: u64,
}

impl Default for Optimal {
    fn default() -> Self {
        Self {
            steps: 300,
            learning_rate: 0.05,
            seed: 0,
        }
    }
}

impl Ablation {
    /// Whether the ablated values of all writers are those of one run of the model. Then a part without a path from
    /// `input` has its ablated value, and does not matter.
    pub fn is_a_run(self) -> bool {
        matches!(self, Self::Patch | Self::Resample(_))
    }
}
