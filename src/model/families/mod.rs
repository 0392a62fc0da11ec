//! Model families: each file maps a configuration and weight names to the canonical form, nothing else.

mod check;
mod gpt2;
mod layers;
mod llama;

use serde::Deserialize;

use super::source::{GgufHeader, TensorSource};
use super::{ModelConfig, Weights};
use crate::error::{Error, Result};

pub(crate) use check::check;

/// A family of models that share a forward pass up to [`ModelConfig`].
pub(crate) trait Family: Sync {
    /// `model_type` in config.json and `general.architecture` in GGUF files.
    fn name(&self) -> &'static str;

    /// Class name in config.json's `architectures`.
    fn class(&self) -> &'static str;

    /// Reads a Hugging Face config.json.
    ///
    /// # Errors
    /// When a key is missing, malformed or asks for something that is not supported.
    fn describe_config_json(&self, file: &str, json: &[u8]) -> Result<Description>;

    /// Reads the metadata of a GGUF file.
    ///
    /// # Errors
    /// When a key is missing, malformed or asks for something that is not supported.
    fn describe_gguf(&self, header: &GgufHeader) -> Result<Description>;

    /// Reads the weights.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape than the configuration says, or is not finite.
    fn weights(&self, of: &Description, source: &dyn TensorSource) -> Result<Weights<f32>>;
}

/// What a file says about a model before any weight is read.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    /// The shape.
    pub(crate) config: ModelConfig,
    /// Whether the attention's linear maps must have biases (they are read wherever they are there).
    pub(crate) attention_bias: bool,
    /// Whether the MLP's linear maps must have biases (they are read wherever they are there).
    pub(crate) mlp_bias: bool,
}

/// Every family, in the order of help texts.
static FAMILIES: &[&dyn Family] = &[&gpt2::Gpt2, &llama::Llama];

#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
}

/// The family that a config.json names.
///
/// # Errors
/// When it is not JSON, or names no supported family.
pub(crate) fn of_config_json(file: &str, json: &[u8]) -> Result<&'static dyn Family> {
    let kind: Kind = parse_config(file, json)?;
    let class = kind.architectures.unwrap_or_default().into_iter().next();
    find(|family| match (&kind.model_type, &class) {
        (Some(name), _) => family.name() == name,
        (None, class) => class.as_deref() == Some(family.class()),
    })
    .map_err(|supported| {
        let named = kind.model_type.or(class);
        unsupported(file, "model_type", named.as_deref(), &supported)
    })
}

/// The family that a GGUF file names.
///
/// # Errors
/// When it names no supported family.
pub(crate) fn of_gguf(header: &GgufHeader) -> Result<&'static dyn Family> {
    let named = header.text("general.architecture");
    find(|family| named == Some(family.name()))
        .map_err(|supported| unsupported(&header.file, "general.architecture", named, &supported))
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
    let problem = match named {
        Some(named) => format!("unknown architecture {named:?}; supported: {supported}"),
        None => format!("{key} is missing, so the architecture is unknown; supported: {supported}"),
    };
    Error::model(file, problem)
}

fn parse_config<T: for<'de> Deserialize<'de>>(file: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|error| Error::model(file, format!("not a model configuration: {error}")))
}
