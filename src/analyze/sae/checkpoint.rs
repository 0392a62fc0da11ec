//! The state of a training as a file, from which it goes on to the same bits.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::{Gradient, Recipe, Round, Training};
use crate::error::{Error, Result};
use crate::input::{self, GIB};
use crate::output::{write_whole, writing};

/// What the names of the files begin and end with.
const NAME: (&str, &str) = ("checkpoint", ".safetensors");

/// What a training depends on, and its number among those of a job.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    /// Everything that the training depends on.
    pub inputs: String,
    /// Its number.
    pub number: usize,
}

impl Checkpoint {
    /// The name of the file.
    fn file(&self) -> String {
        match self.number {
            0 => [NAME.0, NAME.1].concat(),
            number => format!("{}-{number}{}", NAME.0, NAME.1),
        }
    }
}

/// Removes what was written down in a folder.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if is_one(&entry.file_name().to_string_lossy()) {
            fs_err::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file is a checkpoint, by its name.
pub(crate) fn is_one(name: &str) -> bool {
    let number = name
        .strip_prefix(NAME.0)
        .and_then(|it| it.strip_suffix(NAME.1));
    number.is_some_and(|number| {
        number.is_empty()
            || number
                .strip_prefix('-')
                .is_some_and(|it| it.parse::<usize>().is_ok())
    })
}

/// Bytes of a checkpoint: weights with two moments each.
const LARGEST: u64 = 64 * GIB;
/// The tensor with a hash of all others.
const HASH: &str = "hash";

/// Writes the state down, with a hash of all that training depends on.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write(
    folder: &Path,
    training: &Training<f32>,
    checkpoint: &Checkpoint,
) -> Result<()> {
    let dictionary = &training.dictionary;
    let [first, second] = training.moments();
    let mut single: Vec<(String, &[f32])> = vec![
        ("encoder".into(), &dictionary.encoder),
        ("encoder_bias".into(), &dictionary.encoder_bias),
        ("decoder".into(), &dictionary.decoder),
        ("decoder_bias".into(), &dictionary.decoder_bias),
        ("sparsity".into(), &dictionary.sparsity),
    ];
    for (name, moments) in [("first", first), ("second", second)] {
        for (part, values) in parts(moments) {
            single.push((format!("{name}.{part}"), values));
        }
    }
    let bytes = |values: &[f32]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let mut tensors: Vec<(String, Dtype, Vec<u8>)> = single
        .into_iter()
        .map(|(name, values)| (name, Dtype::F32, bytes(values)))
        .collect();
    let rounds = training.rounds.iter().flat_map(|round| {
        let revived = round.revived as f64;
        [round.reconstruction, round.sparsity, round.l0, revived]
    });
    let doubles = std::iter::once(dictionary.scale).chain(rounds);
    let doubles = doubles.flat_map(f64::to_le_bytes).collect();
    tensors.push(("scale_and_rounds".into(), Dtype::F64, doubles));
    let counts = std::iter::once(training.step as u64).chain(training.active.iter().copied());
    let counts = counts.flat_map(u64::to_le_bytes).collect();
    tensors.push(("step_and_active".into(), Dtype::U64, counts));
    let inputs = checkpoint.inputs.as_bytes().to_vec();
    tensors.push(("inputs".into(), Dtype::U8, inputs));
    let hash = hash_of(
        tensors
            .iter()
            .map(|(name, _, bytes)| (&name[..], &bytes[..])),
    );
    tensors.push((HASH.into(), Dtype::U8, hash.into_bytes()));
    let views = tensors.iter().map(|(name, dtype, bytes)| {
        let shape = vec![8 * bytes.len() / dtype.bitsize()];
        TensorView::new(*dtype, shape, bytes).map(|view| (name, view))
    });
    let views: std::result::Result<Vec<_>, _> = views.collect();
    let file = views.and_then(|views| serialize(views, None));
    let name = checkpoint.file();
    let file = file.map_err(|error| Error::Bug(format!("{name}: {error}")))?;
    let _writing = writing();
    write_whole(&folder.join(name), &file)
}

/// The state that was written down for the same inputs, if there is one; a file of other inputs, or a broken one, is none.
pub(super) fn read(
    folder: &Path,
    recipe: &Recipe,
    width: usize,
    checkpoint: &Checkpoint,
) -> Option<Training<f32>> {
    let bytes = input::read(&folder.join(checkpoint.file()), LARGEST, "a checkpoint").ok()?;
    let tensors = SafeTensors::deserialize(&bytes).ok()?;
    let data = |name: &str, dtype: Dtype| {
        let tensor = tensors.tensor(name).ok()?;
        (tensor.dtype() == dtype).then(|| tensor.data())
    };
    if data("inputs", Dtype::U8)? != checkpoint.inputs.as_bytes() {
        return None;
    }
    let known = tensors.iter().filter(|(name, _)| *name != HASH);
    let hash = hash_of(known.map(|(name, tensor)| (name, tensor.data())));
    if data(HASH, Dtype::U8)? != hash.as_bytes() {
        return None;
    }
    let mut training = Training::new(recipe, width);
    let fill = |name: &str, target: &mut [f32]| {
        let bytes = data(name, Dtype::F32).filter(|it| it.len() == 4 * target.len())?;
        for (value, bytes) in target.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = f32::from_le_bytes(bytes.try_into().ok()?);
        }
        Some(())
    };
    let dictionary = &mut training.dictionary;
    fill("encoder", &mut dictionary.encoder)?;
    fill("encoder_bias", &mut dictionary.encoder_bias)?;
    fill("decoder", &mut dictionary.decoder)?;
    fill("decoder_bias", &mut dictionary.decoder_bias)?;
    fill("sparsity", &mut dictionary.sparsity)?;
    for (name, moments) in ["first", "second"].into_iter().zip(training.moments_mut()) {
        for (part, values) in parts_mut(moments) {
            fill(&format!("{name}.{part}"), values)?;
        }
    }
    let doubles = data("scale_and_rounds", Dtype::F64)?.chunks_exact(8);
    let doubles: Vec<f64> = doubles
        .map(|bytes| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes))
        .collect();
    let (scale, rounds) = doubles.split_first()?;
    training.dictionary.scale = *scale;
    training.rounds = rounds
        .chunks_exact(4)
        .map(|round| Round {
            reconstruction: round[0],
            sparsity: round[1],
            l0: round[2],
            revived: round[3] as usize,
        })
        .collect();
    let counts = data("step_and_active", Dtype::U64)?.chunks_exact(8);
    let counts: Vec<u64> = counts
        .map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes))
        .collect();
    let (step, active) = counts.split_first()?;
    training.step = usize::try_from(*step).ok()?;
    if active.len() != training.active.len() {
        return None;
    }
    training.active.copy_from_slice(active);
    Some(training)
}

/// Hash of tensors, whatever their order.
fn hash_of<'t>(tensors: impl Iterator<Item = (&'t str, &'t [u8])>) -> String {
    let tensors: BTreeMap<&str, &[u8]> = tensors.collect();
    let mut hasher = blake3::Hasher::new();
    for (name, bytes) in tensors {
        hasher.update(name.as_bytes());
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

fn parts(gradient: &Gradient<f32>) -> [(&'static str, &[f32]); 5] {
    [
        ("encoder", &gradient.encoder),
        ("encoder_bias", &gradient.encoder_bias),
        ("decoder", &gradient.decoder),
        ("decoder_bias", &gradient.decoder_bias),
        ("sparsity", &gradient.sparsity),
    ]
}

fn parts_mut(gradient: &mut Gradient<f32>) -> [(&'static str, &mut [f32]); 5] {
    [
        ("encoder", &mut gradient.encoder),
        ("encoder_bias", &mut gradient.encoder_bias),
        ("decoder", &mut gradient.decoder),
        ("decoder_bias", &mut gradient.decoder_bias),
        ("sparsity", &mut gradient.sparsity),
    ]
}
