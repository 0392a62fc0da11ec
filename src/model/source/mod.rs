//! Weights on disk: named tensors in safetensors or GGUF files, widened to `f32` one at a time.
//!
//! Files are hostile: every size is checked against the file before anything is allocated, every tensor's shape
//! against what the configuration says, and every value for being finite.

pub(crate) mod absent;
mod bus_error;
mod bytes;
mod element;
mod folder;
mod gguf;
mod gguf_header;
mod gguf_kinds;
mod gguf_metadata;
mod gguf_refusals;
mod safetensors;
mod singles;
mod tensors;
mod tracked;
mod widen;

pub(crate) use bytes::{Bytes, Seen};
pub(crate) use folder::{EmbeddedFolder, Folder};
pub(crate) use gguf::Gguf;
pub(crate) use gguf_metadata::{GgufHeader, GgufValue};
pub(crate) use safetensors::SafetensorsFiles;
pub(crate) use tensors::Tensors;
pub(crate) use tracked::Tracked;

use std::ops::Range;

use crate::error::Result;
use crate::model::Values;

/// Whose tensor names and layouts a source uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Hugging Face's names, in safetensors files.
    HuggingFace,
    /// The names of GGUF files.
    Gguf,
}

/// Named tensors of one model, wherever they are stored.
pub(crate) trait TensorSource: Send + Sync {
    /// Whose names and layouts the tensors have.
    fn format(&self) -> Format;

    /// The file that holds the tensor, or the file to blame for its absence.
    fn file(&self, tensor: &str) -> String;

    /// The names of all tensors.
    fn names(&self) -> Vec<&str>;

    /// The tensor's shape, row-major (last dimension contiguous).
    fn shape(&self, tensor: &str) -> Option<&[usize]>;

    /// The tensor's values, widened to `f32` or used where they lie in the file; not checked for being finite.
    ///
    /// # Errors
    /// When the tensor is absent or its element type is unknown.
    fn read(&self, tensor: &str) -> Result<Values<f32>>;

    /// Notes that the tensor has a place in the model, though it was not read.
    fn touch(&self, _tensor: &str) {}

    /// Whether [`Self::rows`] can widen rows of the tensor apart from the others, and [`Self::read`] would copy them.
    fn rows_stay(&self, tensor: &str) -> bool;

    /// Some rows of a matrix, widened to `f32`; not checked for being finite.
    ///
    /// # Errors
    /// As [`Self::read`].
    ///
    /// # Panics
    /// When there are no such rows.
    fn rows(&self, tensor: &str, rows: Range<usize>) -> Result<Vec<f32>>;

    /// The weight files.
    fn contents(&self) -> Vec<&Bytes>;

    /// Refuses a tensor that [`Self::read`] would refuse, without reading it.
    ///
    /// # Errors
    /// When the tensor is absent, its element type is unknown, or it reaches beyond its file.
    fn refuse_unreadable(&self, tensor: &str) -> Result<()>;

    /// The type of the tensor's elements as the format calls it, such as `BF16` or `Q4_K`.
    fn element(&self, tensor: &str) -> Option<String>;

    /// Feeds the raw weight bytes to a hash.
    fn hash(&self, hasher: &mut blake3::Hasher);

    /// Bytes of the weight files.
    fn size(&self) -> u64;
}
