//! Vectors added to a model's residual stream, as part of the reference that names the model:
//! `MODEL + vector.safetensors@LAYER:STRENGTH`.

use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::Weights;
use crate::error::{Error, Result};
use crate::input::{self, MIB};
use crate::paths::place;

/// What stands between a model and a vector.
const PLUS: &str = " + ";
/// Largest file of a vector, in bytes.
const LARGEST_FILE: u64 = 64 * MIB;

/// The reference of the model alone, and the vectors added to it. Where files or folders have ` + ` in their names, the
/// model is the longest part, from the start, that exists relative to `base`.
pub(crate) fn split<'r>(
    reference: &'r str,
    base: &Path,
) -> (&'r str, impl Iterator<Item = &'r str>) {
    let ends = reference.match_indices(PLUS).map(|(at, _)| at);
    let mut ends: Vec<usize> = ends.chain([reference.len()]).collect();
    let first = ends[0];
    let named = reference.starts_with("builtin:") || reference.starts_with("hf:");
    // One part is a model whether it exists or not.
    if named || ends.len() == 1 {
        ends.clear();
    }
    let exists = |end: &usize| place(base, reference[..*end].trim()).exists();
    let end = ends.into_iter().rev().find(exists).unwrap_or(first);
    let vectors = reference[end..].split(PLUS).skip(1).map(str::trim);
    (reference[..end].trim(), vectors)
}

/// The file of a vector, relative to `base`.
pub(crate) fn file(vector: &str, base: &Path) -> PathBuf {
    place(base, parts(vector).0)
}

/// Path, layer and strength of `FILE@LAYER:STRENGTH`.
fn parts(vector: &str) -> (&str, Option<&str>, Option<&str>) {
    let Some((path, place)) = vector
        .rsplit_once('@')
        .filter(|(_, place)| !place.contains('/'))
    else {
        return (vector, None, None);
    };
    match place.split_once(':') {
        Some((layer, strength)) => (path, Some(layer), Some(strength)),
        None => (path, Some(place), None),
    }
}

/// Adds a vector to the stream after a layer, at every position.
///
/// It becomes part of the bias of what the layer writes last, so it is the same in every run, patched or not. Gives a warning
/// where it was found in none of the models of these hashes.
///
/// # Errors
/// When the file holds no vector of this model's width, the layer does not exist, or the model norms what its layers write.
pub(super) fn add(
    weights: &mut Weights<f32>,
    vector: &str,
    base: &Path,
    (hasher, models): (&mut blake3::Hasher, &[String]),
) -> Result<Option<String>> {
    let (path, layer, strength) = parts(vector);
    let path = place(base, path);
    let name = path.display().to_string();
    let fail = |problem: String| Error::data(&name, problem);
    if weights.config.post_norms {
        let problem =
            "the model norms what its layers write, so no vector can be added to it in this way";
        return Err(fail(problem.into()));
    }
    let d_model = weights.config.d_model;
    let (values, metadata) = read_vector(&path, d_model)?;
    let known = |key: &str| metadata.metadata().as_ref()?.get(key).cloned();
    let layer = layer.map(str::to_owned).or_else(|| known("layer"));
    let strength = strength.map(str::to_owned).or_else(|| known("strength"));
    let layers = weights.config.n_layers;
    let layer = layer.as_deref().and_then(|text| text.trim().parse().ok());
    let Some(layer) = layer.filter(|layer: &usize| *layer < layers) else {
        return Err(Error::Usage(format!(
            "expected {vector:?} to end with @LAYER or @LAYER:STRENGTH, a layer from 0 to {}",
            layers - 1
        )));
    };
    let strength = strength.as_deref().unwrap_or("1").trim().parse::<f32>();
    let Some(strength) = strength.ok().filter(|strength| strength.is_finite()) else {
        return Err(Error::Usage(format!(
            "expected a number after the colon of {vector:?}"
        )));
    };
    let values: Vec<f32> = values.iter().map(|value| strength * value).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(fail("a number of the vector is not finite".into()));
    }
    hasher.update(&(layer as u64).to_le_bytes());
    for value in &values {
        hasher.update(&value.to_le_bytes());
    }
    weights.blocks.add_after(layer, values);
    Ok(of_another_model(vector, &metadata, models))
}

/// What to say of a vector whose file names a model of a hash that is none of these.
pub(crate) fn of_another_model(
    vector: &str,
    metadata: &Metadata,
    models: &[String],
) -> Option<String> {
    let known = metadata.metadata().as_ref()?;
    let hash = known.get("model_hash")?;
    if models.contains(hash) {
        return None;
    }
    let name = known.get("model").map_or("without a name", String::as_str);
    Some(format!(
        "the vector {vector} was found in another model ({name}): nothing says that its direction means the same here"
    ))
}

/// The vector in a file that `vector` wrote, with the file's metadata.
///
/// # Errors
/// When the file holds no vector of this width.
pub(crate) fn read_vector(path: &Path, d_model: usize) -> Result<(Vec<f32>, Metadata)> {
    let name = path.display().to_string();
    let fail = |problem: String| Error::data(&name, problem);
    let bytes = input::read(path, LARGEST_FILE, "a vector")?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)
        .map_err(|error| fail(format!("not a whole safetensors file: {error}")))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| fail(format!("not a whole safetensors file: {error}")))?;
    let tensor = tensors
        .tensor("vector")
        .map_err(|_| fail("there is no tensor vector".into()))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != [d_model] {
        return Err(fail(format!(
            "vector is {:?} {:?}; this model adds F32 [{d_model}]",
            tensor.dtype(),
            tensor.shape()
        )));
    }
    let values = tensor.data().chunks_exact(4);
    let values: Vec<f32> = values
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(fail("a number of the vector is not finite".into()));
    }
    Ok((values, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_the_model() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        for name in ["m.gguf", "a + b.gguf", "a + b + c"] {
            fs_err::write(base.join(name), "").unwrap();
        }
        let parts = |reference| {
            let (alone, vectors) = split(reference, base);
            let mut parts = vec![alone.to_owned()];
            parts.extend(vectors.map(str::to_owned));
            parts
        };
        for (reference, expected) in [
            ("m.gguf", &["m.gguf"][..]),
            ("m.gguf + v@1", &["m.gguf", "v@1"]),
            ("m.gguf + v@1 + w@2:3", &["m.gguf", "v@1", "w@2:3"]),
            ("a + b.gguf", &["a + b.gguf"]),
            ("a + b.gguf + v@1", &["a + b.gguf", "v@1"]),
            ("a + b + c", &["a + b + c"]),
            ("a + b + c + v@1", &["a + b + c", "v@1"]),
            // What is not there is read as vectors, and the first part is what is missing.
            ("x + y", &["x", "y"]),
            ("builtin:m.gguf + v@1", &["builtin:m.gguf", "v@1"]),
            ("", &[""]),
        ] {
            assert_eq!(parts(reference), expected, "{reference}");
        }
    }
}
