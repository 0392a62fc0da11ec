//! Model families: each file maps a configuration and weight names to the canonical form, nothing else.

mod activation;
mod check;
mod gemma2;
mod gemma3;
mod gguf_keys;
mod gpt2;
mod gpt_neox;
mod keys;
mod known;
mod known_gguf;
mod layers;
mod llama;
mod maps;
mod mistral;
mod names;
mod phi3;
mod qwen2;
mod qwen3;
mod rotary;
mod settle;
mod transformer_lens;
mod unusable;
mod windows;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::source::{Format, Gguf, TensorSource};
use super::{ModelConfig, Weights};
use crate::error::{Error, Result};

pub(crate) use check::check;
pub(crate) use keys::Keys;
pub(crate) use unusable::refuse_tensors;

use gguf_keys::GgufKeys;
use names::Names;

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

    /// What the files of a format call its tensors.
    fn names(&self, format: Format) -> Names;

    /// Settles what the configuration and the tensors say differently.
    ///
    /// # Errors
    /// When it cannot be settled.
    fn settle(&self, of: &mut Description, source: &dyn TensorSource) -> Result<()> {
        settle::settle(of, &self.names(source.format()), source)
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape than the configuration says, is not finite, or is not known.
    fn weights(&self, of: &Description, load: &Load) -> Result<Weights<f32>> {
        layers::read(of, &self.names(load.source.format()), load)
    }
}

/// Where weights are read from, and whether blocks stay there until they are used.
pub(crate) struct Load {
    /// The tensors.
    pub(crate) source: Arc<dyn TensorSource>,
    /// Bytes that all weights may take in memory, where they are bounded: blocks that take more stay in the file until they
    /// are used, and are not kept.
    pub(crate) room: Option<usize>,
    /// Whether only the presence and the shapes of the tensors are checked: the weights that are given back are empty.
    pub(crate) shapes_only: bool,
}

/// What a file says about a model before any weight is read.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    /// The shape.
    pub(crate) config: ModelConfig,
    /// Which maps have biases.
    biases: Biases,
    /// Tensors that the model is computed without, though the file has them.
    ignored: BTreeSet<String>,
    /// Whether the file holds the one table of a model with tied embeddings as its unembedding.
    unembedding_only: bool,
    /// What whoever uses the model should know.
    pub(crate) warnings: Vec<String>,
}

/// Which maps have biases.
#[derive(Debug, Clone, Copy, Default)]
struct Biases {
    /// Queries, keys and values.
    qkv: Bias,
    /// The attention's output.
    o: Bias,
    /// The maps of the MLP.
    mlp: Bias,
}

/// Whether a map has a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Bias {
    /// Where the file holds one in some layer; then in all.
    #[default]
    Optional,
    /// The configuration says that there is one.
    Required,
    /// The configuration says that there is none, or the family has none.
    Denied,
}

impl Bias {
    /// As a switch says.
    fn announced(there: bool) -> Self {
        if there { Self::Required } else { Self::Denied }
    }
}

impl Biases {
    /// No bias anywhere.
    const DENIED: Self = Self {
        qkv: Bias::Denied,
        o: Bias::Denied,
        mlp: Bias::Denied,
    };
}

impl Description {
    /// A checked description.
    ///
    /// # Errors
    /// When the numbers of the configuration do not fit together.
    fn new(file: &str, config: ModelConfig, biases: Biases) -> Result<Self> {
        check(file, &config)?;
        Ok(Self {
            config,
            biases,
            ignored: BTreeSet::new(),
            unembedding_only: false,
            warnings: Vec::new(),
        })
    }

    /// Whether a tensor holds parameters of the model.
    pub(crate) fn is_weight(&self, tensor: &str) -> bool {
        let repeated = self.config.tied_unembedding && !self.unembedding_only;
        !layers::is_table(tensor, repeated) && !self.ignored.contains(tensor)
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

/// What a config.json says, and the family that it names.
///
/// # Errors
/// When it names no supported family, a key is malformed, or one asks for something that is not supported.
pub(crate) fn of_config_json(keys: &Keys) -> Result<(&'static dyn Family, Description)> {
    unusable::refuse(keys)?;
    let family = named_by_config_json(keys)?;
    let mut of = family.describe_config_json(keys)?;
    if !keys.switch("is_causal", true)? {
        of.config.attention.bidirectional = true;
    }
    known::check_rest(keys, family)?;
    of.warnings = keys.warnings();
    Ok((family, of))
}

fn named_by_config_json(keys: &Keys) -> Result<&'static dyn Family> {
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

/// What a GGUF file says, and the family that it names.
///
/// # Errors
/// When it names no supported family, a key is malformed, or one asks for something that is not supported.
pub(crate) fn of_gguf(gguf: &Gguf) -> Result<(&'static dyn Family, Description)> {
    let named = gguf.header.text("general.architecture")?;
    let family =
        find(|family| named.is_some() && named == family.architecture()).map_err(|supported| {
            unsupported(&gguf.header.file, "general.architecture", named, &supported)
        })?;
    let mut of = family.describe_gguf(gguf)?;
    let keys = GgufKeys::new(gguf, family.architecture().unwrap_or_default());
    if keys.switch("attention.causal")? == Some(false) {
        if of.config.attention.local.is_some() {
            return Err(keys
                .fail("sliding windows in a model that attends to both sides are not supported"));
        }
        of.config.attention.bidirectional = true;
    }
    of.warnings = known_gguf::unread(&gguf.header);
    Ok((family, of))
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
