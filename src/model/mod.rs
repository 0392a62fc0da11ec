//! Models: configuration, weights on disk, tokenizers. Knows no graph, no task and no mask.

mod config;
mod real;
mod weights;

pub use config::{Activation, ModelConfig, Norm, Positions};
pub use real::Real;
pub use weights::{Block, Linear, NormWeights, Weights};
