//! Indirect object identification.

use serde::{Deserialize, Serialize};

/// Parameters of the IOI generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ioi {
    /// Number of clean/corrupt pairs.
    pub pairs: usize,
    /// Seed of the sampling.
    #[serde(default)]
    pub seed: u64,
}
