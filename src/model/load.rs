//! From a reference to a model in memory.

use std::path::Path;
use std::sync::Arc;

use super::families::{self, Description, Family, Keys, Load};
use super::origin::{Files, Origin};
use super::reference::{Place, resolve};
use super::source::{Bytes, Folder, Gguf, SafetensorsFiles, TensorSource, absent};
use super::{LoadedModel, ModelConfig, added, model_name, siblings};
use crate::error::{Error, Result};

/// Share of memory that weights may take to stay there.
const WEIGHTS_SHARE: f64 = 0.7;
const CONFIG: &str = "config.json";
/// Files that say how the weights beside them are quantised.
const QUANTISATION: [&str; 3] = [
    "quantize_config.json",
    "quant_config.json",
    "hf_quant_config.json",
];

/// What the headers of a model's files say.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelHeader {
    /// Name as in the results folder.
    pub name: String,
    /// The shape.
    pub config: ModelConfig,
    /// Number of parameters, each tensor counted once.
    pub parameters: usize,
    /// Bytes of the weight files.
    pub weight_bytes: u64,
    /// What whoever uses it should know, as in [`LoadedModel::warnings`].
    pub warnings: Vec<String>,
}

/// Loads a model: `builtin:NAME`, `hf:ORG/NAME`, a folder in Hugging Face's layout or a `.gguf` file, relative to `base`;
/// with a vector added after a layer: `MODEL + vector.safetensors@LAYER:STRENGTH`.
///
/// # Errors
/// `Error::Model`, naming the file and the tensor or key, when there is no such model or its files cannot be used.
///
/// # Example
/// ```
/// let model = secateur::load_model("builtin:toy-llama", std::path::Path::new("."))?;
/// assert_eq!((model.config().n_layers, model.config().n_heads), (3, 4));
/// # Ok::<(), secateur::Error>(())
/// ```
pub fn load_model(reference: &str, base: &Path) -> Result<LoadedModel> {
    load_model_within(reference, base, None)
}

/// As [`load_model`], for work that takes at most `memory` bytes, where it is bounded: weights that would take most of it
/// stay in the files and are widened when they are used.
///
/// # Errors
/// As [`load_model`].
pub fn load_model_within(
    reference: &str,
    base: &Path,
    memory: Option<usize>,
) -> Result<LoadedModel> {
    let (alone, vectors) = added::split(reference, base);
    let opened = Opened::open(alone, base)?;
    let load = Load {
        source: opened.files.source(),
        room: memory.map(|bytes| (bytes as f64 * WEIGHTS_SHARE) as usize),
        shapes_only: false,
    };
    let mut weights = opened.family.weights(&opened.of, &load)?;
    let found = opened.files.tokenizer();
    let (tokenizer, no_tokenizer) = match found.tokenizer {
        Ok(tokenizer) => (Some(tokenizer), None),
        Err(reason) => (None, Some(reason)),
    };
    let tokenizer_hash = opened.files.tokenizer_hash();
    let identity = opened.files.identity(&opened.of);
    let mut hasher = opened.files.hasher();
    let origin = Origin::new(opened.files, hasher.finalize())?;
    // A vector may have been found in the model alone, or in what the vectors before it made of it.
    let mut models = vec![hasher.finalize().to_hex().to_string()];
    let identity = identity.recognised(&models[0]);
    let mut warnings = opened.of.warnings;
    warnings.extend(found.warnings);
    for vector in vectors {
        warnings.extend(added::add(
            &mut weights,
            vector,
            base,
            (&mut hasher, &models),
        )?);
        models.push(hasher.finalize().to_hex().to_string());
    }
    Ok(LoadedModel {
        name: model_name(reference, base),
        hash: hasher.finalize().to_hex().to_string(),
        identity,
        weights,
        memory,
        tokenizer,
        tokenizer_hash,
        no_tokenizer,
        warnings,
        origin: Arc::new(origin),
    })
}

/// Reads only the headers of a model's files; `reference` and `base` as for [`load_model`].
///
/// # Errors
/// `Error::Model` when there is no such model, its headers are malformed, or tensors are missing, not known, or of another
/// shape than the configuration says.
pub fn read_header(reference: &str, base: &Path) -> Result<ModelHeader> {
    let opened = Opened::open(added::split(reference, base).0, base)?;
    let source = opened.files.source();
    let load = Load {
        source: Arc::clone(&source),
        room: None,
        shapes_only: true,
    };
    opened.family.weights(&opened.of, &load)?;
    let weights = source.names();
    let weights = weights
        .iter()
        .filter(|tensor| opened.of.is_weight(tensor))
        .filter_map(|tensor| source.shape(tensor));
    Ok(ModelHeader {
        name: model_name(reference, base),
        // A file may claim any shape: what is beyond counting is refused when the tensor is read.
        parameters: weights.fold(0, |sum, shape| {
            let size = shape
                .iter()
                .fold(1_usize, |size, width| size.saturating_mul(*width));
            sum.saturating_add(size)
        }),
        weight_bytes: source.size(),
        config: opened.of.config,
        warnings: opened.of.warnings,
    })
}

/// A model whose headers are read.
struct Opened {
    family: &'static dyn Family,
    of: Description,
    files: Files,
}

impl Opened {
    fn open(reference: &str, base: &Path) -> Result<Self> {
        match resolve(reference, base)? {
            Place::Folder(folder) => {
                let config = folder.get(CONFIG)?;
                let config = config.ok_or_else(|| absent::config(&folder))?;
                refuse_quantised(&folder)?;
                let keys = Keys::parse(&folder.file(CONFIG), &config)?;
                let (family, mut of) = families::of_config_json(&keys)?;
                of.warnings.extend(siblings::warnings(&folder)?);
                let weights = Arc::new(SafetensorsFiles::open(&folder)?);
                families::refuse_tensors(&of.config, &*weights)?;
                for tensor in weights.names() {
                    if of.is_weight(tensor) {
                        weights.refuse_unreadable(tensor)?;
                    }
                }
                family.settle(&mut of, &*weights)?;
                let files = Files::Folder {
                    folder,
                    config,
                    weights,
                };
                Ok(Self { family, of, files })
            }
            Place::Gguf(path) => {
                let gguf = Gguf::open(&path.display().to_string(), Bytes::map(&path)?)?;
                let (family, mut of) = families::of_gguf(&gguf)?;
                family.settle(&mut of, &gguf)?;
                let files = Files::Gguf(Arc::new(gguf));
                Ok(Self { family, of, files })
            }
        }
    }
}

/// Refuses a folder whose weights are quantised in a format of their own.
fn refuse_quantised(folder: &Folder) -> Result<()> {
    for name in QUANTISATION {
        if folder.get(name)?.is_some() {
            let problem = "says that the weights beside it are quantised, which is not supported; use the model in full \
                           precision (F32, F16 or BF16), or a GGUF file of it. Where the weights are in full precision, \
                           remove this file";
            return Err(Error::model(folder.file(name), problem));
        }
    }
    Ok(())
}
