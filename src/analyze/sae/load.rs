//! A dictionary from a folder: `cfg.json` and `sae_weights.safetensors`, as this program and `SAELens` write them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dictionary::Dictionary;
use super::lens_config::{Architecture, LensConfig};
use super::parameters::SaeKind;
use crate::engine::{Dense, Representation};
use crate::error::{Error, Result};
use crate::model::{Folder, SafetensorsFiles, Seen, TensorSource, Tensors};

const CONFIG: &str = "cfg.json";
const WEIGHTS: &str = "sae_weights.safetensors";
/// The factors of a kind of training that `SAELens` had before version 6.
const SCALING_FACTORS: [&str; 2] = ["scaling_factor", "finetuning_scaling_factor"];

/// The files of a dictionary in a folder.
pub(in crate::analyze) fn dictionary_files(folder: &Path) -> [PathBuf; 2] {
    [CONFIG, WEIGHTS].map(|file| folder.join(file))
}

/// A dictionary, and where in a model it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedDictionary {
    /// The weights; prices that it was trained with are not in the files and are 0 here.
    pub dictionary: Dictionary<f32>,
    /// The layer.
    pub layer: usize,
    /// What of it.
    pub of: Representation,
    /// First positions of each context that it was trained without, where the files say.
    pub skip_first: Option<usize>,
    /// Tokens of a context that it was trained on, where the files say.
    pub context: Option<usize>,
    /// The model that it was trained on, as the files name it.
    pub model: Option<String>,
    /// Hash of the files.
    pub hash: String,
}

/// Reads a dictionary in `SAELens`' format from a folder.
///
/// Its codes and reconstructions are `SAELens`', of the architectures `standard`, `topk`, `jumprelu`, `gated` and
/// `batchtopk` (which uses its threshold). Inputs from which the decoder's bias is not taken, and `topk` that chooses by
/// codes times decoder norms, are folded into the weights.
///
/// # Errors
/// When a file is missing or malformed, a tensor has another shape than the configuration says or holds NaN, or the
/// configuration asks for something that is not known here.
///
/// # Complexity
/// One product of the decoder's bias with the encoder at most; memory of the file's size.
pub fn load_dictionary(folder: &Path) -> Result<LoadedDictionary> {
    if !folder.is_dir() {
        let name = folder.display().to_string();
        let problem = format!(
            "there is no such folder; a dictionary is a folder with {CONFIG} and {WEIGHTS}"
        );
        return Err(Error::data(name, problem));
    }
    let folder = Folder::Directory(folder.to_owned());
    let text = folder.require(CONFIG)?;
    let config = LensConfig::parse(&folder.file(CONFIG), &text)?;
    let files = Arc::new(SafetensorsFiles::open_one(&folder, WEIGHTS)?);
    let tensors = Tensors::new(&*files, "", "W_enc");
    let name = folder.file(WEIGHTS);
    for factor in SCALING_FACTORS.into_iter().filter(|it| tensors.has(it)) {
        let ones = tensors.read(factor, &[config.features])?;
        if ones.iter().any(|value| (value - 1.0).abs() > 1e-6) {
            let problem =
                format!("tensor {factor} is not supported; multiply W_dec by it and save without");
            return Err(Error::data(name, problem));
        }
    }
    let mut dictionary = weights(&config, tensors)?;
    if config.rescaled {
        by_what_they_add(&mut dictionary);
    }
    if !config.centred {
        uncentre(&mut dictionary);
    }
    if !dictionary.is_finite() {
        let problem = "its numbers are too large for single precision";
        return Err(Error::data(name, problem));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(&text);
    files.hash(&mut hasher);
    for bytes in [&text].into_iter().chain(files.contents()) {
        if bytes.seen()? != Seen::Same {
            return Err(bytes.changed(""));
        }
    }
    Ok(LoadedDictionary {
        dictionary,
        layer: config.layer,
        of: config.of,
        skip_first: config.skip_first,
        context: config.context,
        model: config.model,
        hash: hasher.finalize().to_hex().to_string(),
    })
}

fn weights(config: &LensConfig, tensors: Tensors<'_>) -> Result<Dictionary<f32>> {
    let (width, features) = (config.width, config.features);
    let vector = |name: &str| tensors.read(name, &[features]);
    // Shapes are compared with the file's before anything is allocated.
    let encoder = tensors.read("W_enc", &[width, features])?;
    let decoder = tensors.read("W_dec", &[features, width])?;
    let decoder_bias = tensors.read("b_dec", &[width])?;
    let bias = match config.architecture {
        Architecture::Gated => "b_gate",
        _ => "b_enc",
    };
    let encoder_bias = vector(bias)?;
    let (kind, sparsity) = match config.architecture {
        Architecture::Standard => (SaeKind::Relu { l1: 0.0 }, Vec::new()),
        Architecture::TopK { k } => (SaeKind::TopK { k }, Vec::new()),
        Architecture::JumpRelu => (jump_relu(), logarithms(&vector("threshold")?)),
        Architecture::BatchTopK => {
            // Where it was saved for use, it has thresholds already.
            let thresholds = if tensors.has("topk_threshold") {
                vec![tensors.read("topk_threshold", &[])?[0]; features]
            } else {
                vector("threshold")?
            };
            (jump_relu(), logarithms(&thresholds))
        }
        Architecture::Gated => {
            let magnitudes = [vector("r_mag")?, vector("b_mag")?];
            (SaeKind::Gated { l1: 0.0 }, magnitudes.concat())
        }
    };
    Ok(Dictionary {
        kind,
        width,
        features,
        scale: 1.0,
        encoder,
        encoder_bias,
        decoder,
        decoder_bias,
        sparsity,
    })
}

fn jump_relu() -> SaeKind {
    SaeKind::JumpRelu {
        l0: 0.0,
        bandwidth: 0.0,
    }
}

/// Logarithms of thresholds; below 0 a threshold means the same as 0, as no code is negative.
fn logarithms(thresholds: &[f32]) -> Vec<f32> {
    let logarithm = |threshold: &f32| (f64::from(*threshold).ln() as f32).max(f32::MIN);
    thresholds.iter().map(logarithm).collect()
}

/// Gives decoder rows norm one and codes their norms.
fn by_what_they_add(dictionary: &mut Dictionary<f32>) {
    let norms = dictionary.decoder_norms();
    // SAELens' bound.
    let norms: Vec<f32> = norms.iter().map(|norm| norm.max(1e-8) as f32).collect();
    for row in dictionary.encoder.chunks_exact_mut(dictionary.features) {
        row.iter_mut()
            .zip(&norms)
            .for_each(|(value, norm)| *value *= norm);
    }
    let bias = dictionary.encoder_bias.iter_mut();
    bias.zip(&norms).for_each(|(bias, norm)| *bias *= norm);
    let rows = dictionary.decoder.chunks_exact_mut(dictionary.width);
    for (row, norm) in rows.zip(&norms) {
        for value in row {
            *value /= norm;
        }
    }
}

/// Encodes inputs from which the decoder's bias is not taken: what that would change goes into the encoder's bias.
fn uncentre(dictionary: &mut Dictionary<f32>) {
    let double = |values: &[f32]| -> Vec<f64> { values.iter().map(|&it| f64::from(it)).collect() };
    let encoder = double(&dictionary.encoder);
    let shift = Dense::new(&double(&dictionary.decoder_bias), dictionary.width)
        .times(Dense::new(&encoder, dictionary.features));
    let add = |bias: &mut [f32], by: &dyn Fn(usize) -> f64| {
        for (feature, bias) in bias.iter_mut().enumerate() {
            *bias = (f64::from(*bias) + by(feature)) as f32;
        }
    };
    add(&mut dictionary.encoder_bias, &|feature| shift[feature]);
    if let SaeKind::Gated { .. } = dictionary.kind {
        let (scales, biases) = dictionary.sparsity.split_at_mut(dictionary.features);
        add(biases, &|feature| {
            f64::from(scales[feature]).exp() * shift[feature]
        });
    }
}
