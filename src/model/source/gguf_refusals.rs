//! GGUF files that hold something else than one whole model.

use super::GgufHeader;
use crate::error::{Error, Result};

/// `general.type` of a model.
const MODEL: &str = "model";
/// Architectures and types that are no language models, and what they are.
const OTHERS: [(&str, &str); 6] = [
    (
        "adapter",
        "a LoRA adapter, not a model; merge it into its base model first (`llama-export-lora` of llama.cpp writes a whole \
         GGUF file)",
    ),
    (
        "imatrix",
        "an importance matrix for quantisation, not a model",
    ),
    (
        "mmproj",
        "the image or audio part of a model, not the language model; use the file of the language model",
    ),
    (
        "clip",
        "the image or audio part of a model, not the language model; use the file of the language model",
    ),
    ("controlvector", "a control vector, not a model"),
    ("vocab", "a vocabulary without weights, not a model"),
];

/// Refuses what is not one whole model, for the reason that its metadata names.
///
/// # Errors
/// When it is part of a split model, an adapter, or something else.
pub(super) fn refuse(header: &GgufHeader) -> Result<()> {
    let fail = |problem: String| Err(Error::model(&header.file, problem));
    if let Some(count) = header.size("split.count")?
        && count > 1
    {
        let number = header.size("split.no")?.unwrap_or(0).saturating_add(1);
        return fail(format!(
            "is file {number} of the {count} of a split model; join them with `llama-gguf-split --merge` of llama.cpp"
        ));
    }
    let known = |name: &str| OTHERS.iter().find(|(other, _)| *other == name);
    if let Some(kind) = header.text("general.type")?.filter(|kind| *kind != MODEL) {
        return match known(kind) {
            Some((_, what)) => fail(format!("is {what} (general.type is {kind:?})")),
            None => fail(format!("general.type is {kind:?}, not {MODEL:?}")),
        };
    }
    let architecture = header.text("general.architecture")?;
    if let Some((name, what)) = architecture.and_then(known) {
        return fail(format!("is {what} (general.architecture is {name:?})"));
    }
    if header.metadata.contains_key("adapter.type")
        || header.tensors.keys().any(|name| name.ends_with(".lora_a"))
    {
        return fail(format!("is {}", OTHERS[0].1));
    }
    if header.tensors.is_empty() {
        return fail(
            "has no tensors: it is a vocabulary without weights, or a part of a model".into(),
        );
    }
    Ok(())
}
