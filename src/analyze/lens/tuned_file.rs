//! The maps of a tuned lens as a file, written and read.

use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use super::{StreamSite, TunedLens};
use crate::analyze::AffineMap;
use crate::analyze::vector::VectorStamp;
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::report::tensor_file::{Named, tensor_file};

/// Format of the file.
const FORMAT: &str = "secateur-tuned-lens-1";

/// The bytes of `tuned_lens.safetensors`: for each site tensors `PLACE.weight` `[d_model, d_model]` and `PLACE.bias`
/// `[d_model]` in single precision, the map being `x + x weight + bias` in front of the final norm; and in the metadata where
/// they come from.
///
/// # Errors
/// Never for text; the serialiser's signature allows it.
pub fn tuned_lens_safetensors(lens: &TunedLens<f32>, stamp: &VectorStamp<'_>) -> Result<Vec<u8>> {
    let metadata = json!({
        "format": FORMAT,
        "model": stamp.model,
        "model_hash": stamp.model_hash,
        "spec": stamp.spec,
        "data_hash": stamp.data_hash,
    });
    let tensors = lens.maps.iter().flat_map(|(place, map)| {
        let (name, width) = (place_name(*place), map.bias.len());
        let weight: Named<'_> = (format!("{name}.weight"), vec![width, width], &map.weight);
        [weight, (format!("{name}.bias"), vec![width], &map.bias[..])]
    });
    tensor_file(&metadata, &tensors.collect::<Vec<_>>())
}

/// The maps in such a file, of the sites wanted, and the hash of the model that they were fitted on.
///
/// # Errors
/// When the bytes are no such file, or do not fit the model; `name` stands for the file.
pub fn parse_tuned_lens(
    bytes: &[u8],
    name: &str,
    config: &ModelConfig,
    places: &[StreamSite],
) -> Result<(TunedLens<f32>, String)> {
    let fail = |problem: String| Error::data(name, problem);
    let broken = |error| fail(format!("not a whole safetensors file: {error}"));
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
    let known = |key: &str| metadata.metadata().as_ref()?.get(key).cloned();
    if known("format").as_deref() != Some(FORMAT) {
        return Err(fail(format!(
            "not a tuned lens: its metadata has no format {FORMAT:?}\nhint: `secateur lens --tune` writes tuned_lens.safetensors"
        )));
    }
    let width = config.d_model;
    let numbers = |name: String, shape: &[usize]| -> Result<Vec<f32>> {
        let tensor = tensors.tensor(&name).map_err(|_| {
            fail(format!(
                "there is no tensor {name}: the lens was fitted for other layers, or without after_attention"
            ))
        })?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(fail(format!(
                "{name} is {:?} {:?}; this model needs F32 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            )));
        }
        let values = tensor.data().chunks_exact(4);
        let values: Vec<f32> = values
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(fail(format!("a number of {name} is not finite")));
        }
        Ok(values)
    };
    let mut maps = Vec::new();
    for &place in places.iter().take(places.len().saturating_sub(1)) {
        let of = place_name(place);
        let map = AffineMap {
            weight: numbers(format!("{of}.weight"), &[width, width])?,
            bias: numbers(format!("{of}.bias"), &[width])?,
        };
        maps.push((place, map));
    }
    Ok((TunedLens { maps }, known("model_hash").unwrap_or_default()))
}

fn place_name(place: StreamSite) -> String {
    place.to_string().replace(' ', ".")
}
