//! Files beside a model that say it is to be used otherwise than alone: refused, or named in warnings.

use super::source::Folder;
use crate::error::{Error, Result};

/// An adapter's configuration.
const ADAPTER: &str = "adapter_config.json";

/// Files, and what they say that is not done.
const SIBLINGS: [(&str, &str); 1] = [(
    "modules.json",
    "these are sentence embeddings, whose pooling and normalisation were not applied; the logits are those of the \
     language model in the folder",
)];

/// Warnings about the files beside a model.
///
/// # Errors
/// When there is an adapter: libraries that know adapters would load another model from this folder.
pub(super) fn warnings(folder: &Folder) -> Result<Vec<String>> {
    if folder.has(ADAPTER) {
        let problem = "an adapter lies beside the model, and would not be applied; merge it into the weights \
                       (merge_and_unload of peft), or move it away to use the model without it";
        return Err(Error::model(folder.file(ADAPTER), problem));
    }
    let there = SIBLINGS.iter().filter(|(name, _)| folder.has(name));
    Ok(there
        .map(|(name, says)| format!("{}: {says}", folder.file(name)))
        .collect())
}
