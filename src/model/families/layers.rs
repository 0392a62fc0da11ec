//! What the families' weight maps have in common.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::source::Tensors;
use crate::model::{Block, ModelConfig};

/// Reads all blocks in parallel; the error is that of the first bad block.
///
/// # Errors
/// As `read`.
pub(super) fn blocks(
    file: &str,
    config: &ModelConfig,
    tensors: Tensors<'_>,
    read: impl Fn(usize) -> Result<Block<f32>> + Sync + Send,
) -> Result<Vec<Block<f32>>> {
    if config.n_layers > tensors.len() {
        let problem = format!(
            "{} layers are announced, but there are only {} tensors",
            config.n_layers,
            tensors.len()
        );
        return Err(Error::model(file, problem));
    }
    let blocks: Vec<Result<Block<f32>>> = (0..config.n_layers).into_par_iter().map(read).collect();
    blocks.into_iter().collect()
}

/// Refuses weights with more layers than the configuration announces.
///
/// # Errors
/// When the tensor `name` of the first layer beyond exists.
pub(super) fn no_more_layers(
    file: &str,
    config: &ModelConfig,
    tensors: Tensors<'_>,
    name: impl Fn(usize) -> String,
) -> Result<()> {
    let beyond = name(config.n_layers);
    if !tensors.has(&beyond) {
        return Ok(());
    }
    let problem = format!(
        "{} layers are announced, but there is a tensor {beyond}; correct the number of layers",
        config.n_layers
    );
    Err(Error::model(file, problem))
}

/// Whether any layer has this tensor; then all must.
pub(super) fn in_any_layer(
    config: &ModelConfig,
    tensors: Tensors<'_>,
    name: impl Fn(usize) -> String,
) -> bool {
    (0..config.n_layers).any(|layer| tensors.has(&name(layer)))
}
