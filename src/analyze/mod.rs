//! Questions besides the one for a circuit, answered on the same engine, models and tasks.

pub mod neurons;

use serde::{Deserialize, Serialize};

pub use neurons::Neurons;

/// A question about a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Analysis {
    /// Which neurons' activation goes with a behaviour, and which neurons it needs.
    Neurons(Neurons),
}
