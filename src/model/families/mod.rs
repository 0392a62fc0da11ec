//! Model families: each file maps a configuration and weight names to the canonical form, nothing else.

mod activation;
mod check;
mod gemma2;
mod gemma3;
mod gguf_keys;
mod gpt2;
mod gpt_neox;
mod keys;
mod layers;
mod llama;
mod maps;
mod mistral;
mod names;
mod phi3;
mod qwen2;
mod qwen3;
mod rotary;
mod transformer_lens;
mod unusable;
mod windows;

use std::sync::Arc;

use super::source::{Gguf, TensorSource};
use super::{ModelConfig, Weights};
use crate::error::{Error, Result};

pub(crate) use check::check;
pub(crate) use keys::Keys;
pub(crate) use layers::is_weight;
pub(crate) use unusable::refuse_tensors;

/// A family of models that share a forward pass up to [`ModelConfig`].
pub(crate) trait Family: Sync {
    /// What `inspect` calls it, and `model_type` in config.json.
    fn name(&self) -> &'static str;

    /// Class name in config.json's `architectures`.
    fn class(&self) -> &'static str;

    /// `general.architecture` in GGUF files, where the family has one of its own.
    fn architecture(&self) -> Option<&'static str>;

    /// Reads a Hugging Face config.json.
    ///
    /// # Errors
    /// When a key is missing, malformed or asks for something that is not supported.
    fn describe_config_json(&self, keys: &Keys) -> Result<Description>;

    /// Reads the metadata of a GGUF file.
    ///
    /// # Errors
    /// When a key is missing, malformed or asks for something that is not supported.
    fn describe_gguf(&self, gguf: &Gguf) -> Result<Description>;

    /// Reads the weights.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape than the configuration says, is not finite, or is not known.
    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>>;
}

/// Where weights are read from, and whether blocks stay there until they are used.
pub(crate) struct Load {
    /// The tensors.
    pub(crate) source: Arc<dyn TensorSource>,
    /// Bytes that all weights may take in memory, where they are bounded: blocks that take more stay in the file until they
    /// are used, and are not kept.
    pub(crate) room: Option<usize>,
}

/// What a file says about a model before any weight is read.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    /// The shape.
    pub(crate) config: ModelConfig,
    /// Maps that must have biases.
    pub(crate) biases: Biases,
}

/// Maps that must have biases; biases of others are read wherever they are there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Biases {
    /// Queries, keys and values.
    pub(crate) qkv: bool,
    /// The attention's output.
    pub(crate) o: bool,
    /// The maps of the MLP.
    pub(crate) mlp: bool,
}

impl Description {
    /// A checked description.
    ///
    /// # Errors
    /// When the numbers of the configuration do not fit together.
    fn new(file: &str, config: ModelConfig, biases: Biases) -> Result<Self> {
        check(file, &config)?;
        Ok(Self { config, biases })
    }
}

/// Every family, in the order of help texts.
static FAMILIES: &[&dyn Family] = &[
    &gpt2::Gpt2,
    &llama::Llama,
    &mistral::Mistral,
    &gpt_neox::GptNeoX,
    &qwen2::Qwen2,
    &qwen3::Qwen3,
    &gemma2::Gemma2,
    &gemma3::Gemma3,
    &phi3::Phi3,
    &transformer_lens::TransformerLens,
];

/// Relatives of supported families, and what of theirs is not supported.
const RELATIVES: [(&str, &str); 6] = [
    ("smollm3", "layers without rotary positions"),
    (
        "gemma3",
        "models of text and images (text only is model_type gemma3_text)",
    ),
    ("mixtral", "mixtures of experts"),
    ("qwen2_moe", "mixtures of experts"),
    ("qwen3_moe", "mixtures of experts"),
    ("phimoe", "mixtures of experts"),
];

/// The family that a config.json names.
///
/// # Errors
/// When it names no supported family.
pub(crate) fn of_config_json(keys: &Keys) -> Result<&'static dyn Family> {
    unusable::refuse(keys)?;
    let classes = keys.texts("architectures")?;
    let class = classes.and_then(|classes| classes.first().copied());
    if transformer_lens::TransformerLens::is(keys) {
        return Ok(&transformer_lens::TransformerLens);
    }
    let kind = keys.text("model_type")?;
    find(|family| match (kind, class) {
        (Some(name), _) => family.name() == name,
        (None, class) => class == Some(family.class()),
    })
    .map_err(|supported| match (unusable::other_parts(keys), kind.or(class)) {
        (Some(parts), Some(named)) => keys.fail(format!(
            "unknown architecture {named:?}: {parts}; save its language model alone, where that is of a supported \
             architecture: {supported}"
        )),
        (_, named) => unsupported(keys.file(), "model_type", named, &supported),
    })
}

/// The family that a GGUF file names.
///
/// # Errors
/// When it names no supported family.
pub(crate) fn of_gguf(gguf: &Gguf) -> Result<&'static dyn Family> {
    let named = gguf.header.text("general.architecture");
    find(|family| named.is_some() && named == family.architecture()).map_err(|supported| {
        unsupported(&gguf.header.file, "general.architecture", named, &supported)
    })
}

fn find(is: impl Fn(&dyn Family) -> bool) -> std::result::Result<&'static dyn Family, String> {
    FAMILIES
        .iter()
        .copied()
        .find(|family| is(*family))
        .ok_or_else(|| {
            let names: Vec<&str> = FAMILIES.iter().map(|family| family.name()).collect();
            names.join(", ")
        })
}

fn unsupported(file: &str, key: &str, named: Option<&str>, supported: &str) -> Error {
    let relative = RELATIVES.iter().find(|(name, _)| named == Some(name));
    if let Some((name, what)) = relative {
        let problem =
            format!("{key} is {name:?}: {what} are not supported; supported: {supported}");
        return Error::model(file, problem);
    }
    let problem = match named {
        Some(named) => format!("unknown architecture {named:?}; supported: {supported}"),
        None => format!("{key} is missing, so the architecture is unknown; supported: {supported}"),
    };
    Error::model(file, problem)
}
