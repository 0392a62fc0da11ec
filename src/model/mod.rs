//! Models: configuration, weights on disk, tokenizers. Knows no graph, no task and no mask.

pub(crate) mod added;
mod blocks;
mod builtin;
mod cache;
mod config;
mod elementary;
mod families;
mod identity;
mod load;
mod loaded;
mod origin;
mod real;
mod reference;
mod siblings;
mod source;
mod table;
mod tokenizer;
mod values;
mod weights;

pub use blocks::Blocks;
pub use builtin::builtin_models;
pub use cache::cached_models;
pub use config::{
    Activation, AttentionConfig, LocalAttention, ModelConfig, Norm, Positions, RotaryScaling,
};
pub use identity::ModelIdentity;
pub use load::{ModelHeader, load_model, load_model_within, read_header};
pub use loaded::LoadedModel;
pub use real::Real;
pub use reference::model_name;
pub(crate) use reference::plain_name;
pub(crate) use source::{Folder, SafetensorsFiles, Seen, TensorSource, Tensors};
pub use table::Table;
pub use tokenizer::{PrependBos, TextPart, Tokenizer};
pub use values::Values;
pub use weights::{Attention, Block, Linear, Mlp, NormWeights, Unembedding, Weights};
