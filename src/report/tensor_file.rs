//! Tensors of single precision as a safetensors file.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// A tensor by its name: shape and numbers.
pub(crate) type Named<'t> = (String, Vec<usize>, &'t [f32]);

/// The bytes of a file; `metadata` are texts by name.
///
/// # Errors
/// Never for text; the serialiser's signature allows it.
pub(crate) fn tensor_file(metadata: &Value, tensors: &[Named<'_>]) -> Result<Vec<u8>> {
    // Written by hand: the crate keeps metadata in a hash table, whose order differs between runs.
    let mut header = Map::new();
    header.insert("__metadata__".into(), metadata.clone());
    let mut length = 0;
    for (name, shape, values) in tensors {
        let end = length + 4 * values.len();
        let entry = json!({ "data_offsets": [length, end], "dtype": "F32", "shape": shape });
        header.insert(name.clone(), entry);
        length = end;
    }
    let mut header = serde_json::to_vec(&header)
        .map_err(|error| Error::Bug(format!("the header of a tensor file: {error}")))?;
    // The data begins at a multiple of eight bytes, as readers that map the file want it.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + length);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.append(&mut header);
    for value in tensors.iter().flat_map(|(_, _, values)| values.iter()) {
        bytes.extend(value.to_le_bytes());
    }
    Ok(bytes)
}
