//! Files beside a model that say it is to be used otherwise than alone: named in warnings, for they are not read.

use super::source::Folder;

/// Files, and what they say that is not done.
const SIBLINGS: &[(&str, &str)] = &[
    (
        "adapter_config.json",
        "there is an adapter beside the model, which was not applied; merge it into the weights (peft's merge_and_unload) to \
         study the model with it",
    ),
    (
        "modules.json",
        "these are sentence embeddings, whose pooling and normalisation were not applied; the logits are those of the \
         language model in the folder",
    ),
    (
        "quantize_config.json",
        "it says that the weights were quantised, but they are read as they are",
    ),
];

/// Warnings about the files beside a model.
pub(super) fn warnings(folder: &Folder) -> Vec<String> {
    let there = SIBLINGS.iter().filter(|(name, _)| folder.has(name));
    there
        .map(|(name, says)| format!("{}: {says}", folder.file(name)))
        .collect()
}
