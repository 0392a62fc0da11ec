//! Tensors in safetensors files: `model.safetensors`, or shards named by `model.safetensors.index.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::element::Element;
use super::singles::singles;
use super::widen::{CHUNK, widen};
use super::{Bytes, Folder, Format, TensorSource};
use crate::error::{Error, Result};
use crate::input::without_bom;
use crate::model::Values;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

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
            opened.add(folder.file(SINGLE), bytes, |_| true)?;
            return Ok(opened);
        }
        let Some(index) = folder.get(INDEX)? else {
            let mut problem = format!("there is neither {SINGLE} nor {INDEX} in it");
            if folder.get("pytorch_model.bin")?.is_some() {
                problem += "; convert pytorch_model.bin to safetensors";
            }
            return Err(Error::model(folder.label(), problem));
        };
        let index: Index = serde_json::from_slice(without_bom(&index)).map_err(|error| {
            Error::model(folder.file(INDEX), format!("not a weight index: {error}"))
        })?;
        let shards: BTreeSet<&String> = index.weight_map.values().collect();
        for shard in shards {
            let bytes = folder.get(shard)?.ok_or_else(|| {
                let problem = format!("names the file {shard:?}, which is not in the folder");
                Error::model(folder.file(INDEX), problem)
            })?;
            opened.add(folder.file(shard), bytes, |tensor| {
                index.weight_map.get(tensor) == Some(shard)
            })?;
        }
        for (tensor, shard) in &index.weight_map {
            if !opened.tensors.contains_key(tensor) {
                let problem = format!("puts tensor {tensor} into {shard:?}, which lacks it");
                return Err(Error::model(folder.file(INDEX), problem));
            }
        }
        Ok(opened)
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
        opened.add(folder.file(name), folder.require(name)?, |_| true)?;
        Ok(opened)
    }

    fn add(&mut self, file: String, bytes: Bytes, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let views = SafeTensors::deserialize(&bytes).map_err(|error| {
            let problem = format!(
                "not a whole safetensors file ({} bytes): {error}",
                bytes.len()
            );
            Error::model(&file, problem)
        })?;
        for (name, view) in views.iter().filter(|(name, _)| wanted(name)) {
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
