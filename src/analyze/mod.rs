//! Questions besides the one for a circuit, answered on the same engine, models and tasks.

pub mod neurons;
pub mod sae;
pub mod vector;

use serde::{Deserialize, Serialize};

pub use neurons::Neurons;
pub use sae::Sae;
pub use vector::Vector;

/// A question about a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Analysis {
    /// Which neurons' activation goes with a behaviour, and which neurons it needs.
    Neurons(Neurons),
    /// Which features a layer holds.
    Sae(Sae),
    /// Which direction of the residual stream carries a behaviour.
    Vector(Vector),
}
