//! Tensors in safetensors files: `model.safetensors`, or shards named by `model.safetensors.index.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::element::Element;
use super::singles::singles;
use super::widen::{CHUNK, widen};
use super::{Bytes, Folder, Format, TensorSource, absent};
use crate::error::{Error, Result};
use crate::input::{refuse_repeated_keys, without_bom};
use crate::model::Values;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Bytes of a header; the library refuses more.
const LARGEST_HEADER: usize = 100_000_000;

/// Parts of names that `torch.compile`, sharding and recomputation add, wherever they wrap a module.
const WRAPPERS: [&str; 3] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];
/// What data-parallel training puts in front of every name.
const PARALLEL: &str = "module.";

/// The safetensors files of a folder.
#[derive(Debug)]
pub(crate) struct SafetensorsFiles {
    /// Name as in messages, and content.
    files: Vec<(String, Bytes)>,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Range<usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFiles {
    /// Opens the weight files of a folder and checks their headers.
    ///
    /// # Errors
    /// When there are none, one is truncated or malformed, or the index names a tensor that its file lacks.
    pub(crate) fn open(folder: &Folder) -> Result<Self> {
        let mut opened = Self {
            files: Vec::new(),
            tensors: BTreeMap::new(),
        };
        if let Some(bytes) = folder.get(SINGLE)? {
            opened.add(folder.file(SINGLE), bytes)?;
            return opened.without_wrappers();
        }
        let Some(bytes) = folder.get(INDEX)? else {
            return Err(absent::weights(folder));
        };
        let malformed = |problem: String| {
            Error::model(folder.file(INDEX), format!("not a weight index: {problem}"))
        };
        let bytes = without_bom(&bytes);
        refuse_repeated_keys(bytes).map_err(malformed)?;
        let index: Index =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let shards: BTreeSet<&String> = index.weight_map.values().collect();
        let mut missing = Vec::new();
        for shard in shards {
            match folder.get(shard)? {
                Some(bytes) => opened.add(folder.file(shard), bytes)?,
                None => missing.push(shard.as_str()),
            }
        }
        if !missing.is_empty() {
            return Err(absent::shards(folder, INDEX, &missing));
        }
        for (tensor, shard) in &index.weight_map {
            let found = opened.tensors.get(tensor);
            if found.is_none_or(|found| opened.files[found.file].0 != folder.file(shard)) {
                let problem = format!("puts tensor {tensor} into {shard:?}, which lacks it");
                return Err(Error::model(folder.file(INDEX), problem));
            }
        }
        opened.without_wrappers()
    }

    /// Opens one file of a folder and checks its header.
    ///
    /// # Errors
    /// When it is missing, truncated or malformed.
    pub(crate) fn open_one(folder: &Folder, name: &str) -> Result<Self> {
        let mut opened = Self {
            files: Vec::new(),
            tensors: BTreeMap::new(),
        };
        opened.add(folder.file(name), folder.require(name)?)?;
        Ok(opened)
    }

    fn add(&mut self, file: String, bytes: Bytes) -> Result<()> {
        let fail = |problem: String| {
            let length = bytes.len();
            let problem = format!("not a whole safetensors file ({length} bytes): {problem}");
            Error::model(&file, problem)
        };
        // Of two entries of one name, the library takes the last.
        refuse_repeated_keys(header(&bytes)).map_err(fail)?;
        let views = SafeTensors::deserialize(&bytes).map_err(|error| fail(error.to_string()))?;
        for (name, view) in views.iter() {
            if let Some(other) = self.tensors.get(name) {
                let problem = format!("tensor {name} is also in {}", self.files[other.file].0);
                return Err(Error::model(&file, problem));
            }
            let start = view.data().as_ptr().addr() - bytes.as_ptr().addr();
            let entry = Entry {
                file: self.files.len(),
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                data: start..start + view.data().len(),
            };
            self.tensors.insert(name.to_owned(), entry);
        }
        self.files.push((file, bytes));
        Ok(())
    }

    /// The same tensors by the names that they have in the model alone: what wraps models in training writes itself into
    /// names.
    ///
    /// # Errors
    /// When two tensors have one name then.
    fn without_wrappers(mut self) -> Result<Self> {
        let wrapped = |name: &str| name.split('.').any(|part| WRAPPERS.contains(&part));
        let parallel = self
            .tensors
            .keys()
            .all(|name| name.starts_with(PARALLEL) || wrapped(name));
        if !parallel && !self.tensors.keys().any(|name| wrapped(name)) {
            return Ok(self);
        }
        for (name, entry) in std::mem::take(&mut self.tensors) {
            let parts: Vec<&str> = name
                .split('.')
                .filter(|part| !WRAPPERS.contains(part))
                .collect();
            let joined = parts.join(".");
            let plain = joined
                .strip_prefix(PARALLEL)
                .filter(|_| parallel)
                .unwrap_or(&joined)
                .to_owned();
            let file = self.files[entry.file].0.clone();
            if self.tensors.insert(plain.clone(), entry).is_some() {
                let problem = format!("tensor {plain} is there twice, once as {name}");
                return Err(Error::model(file, problem));
            }
        }
        Ok(self)
    }

    /// Where a tensor is, and what its elements are.
    fn entry(&self, tensor: &str) -> Result<(Element, &Entry)> {
        let Some(entry) = self.tensors.get(tensor) else {
            let problem = format!("tensor {tensor} is missing");
            return Err(Error::model(self.file(tensor), problem));
        };
        let element = match entry.dtype {
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::F64 => Element::F64,
            other => {
                let problem = format!(
                    "tensor {tensor} has elements of type {other:?}; expected F32, F16, BF16 or F64"
                );
                return Err(Error::model(self.file(tensor), problem));
            }
        };
        Ok((element, entry))
    }
}

/// The header of a file, as far as it is there.
fn header(bytes: &[u8]) -> &[u8] {
    let length = bytes
        .first_chunk()
        .map(|length| u64::from_le_bytes(*length));
    let end = length
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length <= LARGEST_HEADER)
        .map(|length| length + 8);
    end.and_then(|end| bytes.get(8..end)).unwrap_or_default()
}

/// Widens whole elements.
fn element_values(element: Element, data: &[u8]) -> Vec<f32> {
    let size = element.size();
    let widened = widen(data.len() / size, data, CHUNK * size, |bytes, out| {
        element.widen(bytes, out);
        Ok::<(), std::convert::Infallible>(())
    });
    match widened {
        Ok(values) => values,
        Err(never) => match never {},
    }
}

impl TensorSource for SafetensorsFiles {
    fn format(&self) -> Format {
        Format::HuggingFace
    }

    fn file(&self, tensor: &str) -> String {
        let file = self.tensors.get(tensor).map_or(0, |entry| entry.file);
        self.files
            .get(file)
            .map_or_else(String::new, |(name, _)| name.clone())
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.tensors.get(tensor).map(|entry| entry.shape.as_slice())
    }

    fn read(&self, tensor: &str) -> Result<Values<f32>> {
        let (element, entry) = self.entry(tensor)?;
        let file = &self.files[entry.file].1;
        if element == Element::F32
            && let Some(mapped) = singles(file, entry.data.clone())
        {
            return Ok(mapped);
        }
        Ok(element_values(element, &file[entry.data.clone()]).into())
    }

    fn rows_stay(&self, tensor: &str) -> bool {
        self.entry(tensor)
            .is_ok_and(|(element, _)| element != Element::F32)
    }

    fn rows(&self, tensor: &str, rows: Range<usize>) -> Result<Vec<f32>> {
        let (element, entry) = self.entry(tensor)?;
        let width = entry.shape.last().copied().unwrap_or(1) * element.size();
        let data = &self.files[entry.file].1[entry.data.clone()];
        Ok(element_values(
            element,
            &data[rows.start * width..rows.end * width],
        ))
    }

    fn contents(&self) -> Vec<&Bytes> {
        self.files.iter().map(|(_, bytes)| bytes).collect()
    }

    fn refuse_unreadable(&self, tensor: &str) -> Result<()> {
        self.entry(tensor).map(|_| ())
    }

    fn element(&self, tensor: &str) -> Option<String> {
        let entry = self.tensors.get(tensor)?;
        Some(format!("{:?}", entry.dtype))
    }

    fn hash(&self, hasher: &mut blake3::Hasher) {
        for (_, bytes) in &self.files {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }

    fn size(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}
