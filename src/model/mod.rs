//! Models: configuration, weights on disk, tokenizers. Knows no graph, no task and no mask.

mod config;
mod loaded;
mod real;
mod tokenizer;
mod weights;

pub use config::{Activation, ModelConfig, Norm, Positions};
pub use loaded::LoadedModel;
pub use real::Real;
pub use tokenizer::{PrependBos, Tokenizer};
pub use weights::{Block, Linear, NormWeights, Weights};
