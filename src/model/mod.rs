//! Models: configuration, weights on disk, tokenizers. Knows no graph, no task and no mask.

mod builtin;
mod cache;
mod config;
mod elementary;
mod families;
mod load;
mod loaded;
mod real;
mod reference;
mod sentencepiece;
mod source;
mod tokenizer;
mod tokenizer_gguf;
mod tokenizer_json;
mod weights;

pub use builtin::builtin_models;
pub use cache::cached_models;
pub use config::{
    Activation, AttentionConfig, LocalAttention, ModelConfig, Norm, Positions, RotaryScaling,
};
pub use load::{ModelHeader, load_model, read_header};
pub use loaded::LoadedModel;
pub use real::Real;
pub use reference::model_name;
pub use tokenizer::{PrependBos, Tokenizer};
pub use weights::{Block, Linear, Mlp, NormWeights, Weights};
