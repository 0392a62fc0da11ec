//! The precision of the engine.

use serde::{Deserialize, Serialize};

/// Precision of the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Single, for work.
    #[default]
    F32,
    /// Double, for oracles and golden numbers.
    F64,
}
