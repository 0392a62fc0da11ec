//! The representations of a layer that features are of.

use serde::{Deserialize, Serialize};

/// A representation of a layer, in the order in which a layer computes them.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Representation {
    /// The results of its heads before `W_O`, side by side.
    Heads,
    /// What its MLP writes.
    Mlp,
    /// The stream after the layer.
    #[default]
    Stream,
}

impl Representation {
    /// The letter of its features' names: `a3.f1`, `m3.f1`, `r3.f1`.
    pub fn letter(self) -> char {
        match self {
            Self::Heads => 'a',
            Self::Mlp => 'm',
            Self::Stream => 'r',
        }
    }
}
