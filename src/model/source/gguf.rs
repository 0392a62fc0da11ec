//! Tensors in a GGUF file, dequantised in chunks on all threads.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};

use super::element::Element;
use super::gguf_metadata::GgufTensor;
use super::singles::singles;
use super::widen::{CHUNK, widen};
use super::{Bytes, Format, GgufHeader, TensorSource, gguf_kinds, gguf_refusals};
use crate::error::{Error, Result};
use crate::model::Values;

/// Bytes that may follow the last tensor.
const MOST_PADDING: usize = 1 << 20;
/// No block type needs its data aligned more than this.
const BLOCK_ALIGNMENT: usize = 4;

/// A GGUF file.
#[derive(Debug)]
pub(crate) struct Gguf {
    /// What stands before the data.
    pub(crate) header: GgufHeader,
    bytes: Bytes,
}

/// How the elements of a tensor are stored.
enum Storage {
    Plain(Element),
    Blocks(GgmlDType),
}

impl Storage {
    /// The file format's numbers for element types.
    fn from_kind(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::Plain(Element::F32),
            1 => Self::Plain(Element::F16),
            28 => Self::Plain(Element::F64),
            30 => Self::Plain(Element::Bf16),
            2 => Self::Blocks(GgmlDType::Q4_0),
            3 => Self::Blocks(GgmlDType::Q4_1),
            6 => Self::Blocks(GgmlDType::Q5_0),
            7 => Self::Blocks(GgmlDType::Q5_1),
            8 => Self::Blocks(GgmlDType::Q8_0),
            10 => Self::Blocks(GgmlDType::Q2K),
            11 => Self::Blocks(GgmlDType::Q3K),
            12 => Self::Blocks(GgmlDType::Q4K),
            13 => Self::Blocks(GgmlDType::Q5K),
            14 => Self::Blocks(GgmlDType::Q6K),
            15 => Self::Blocks(GgmlDType::Q8K),
            _ => return None,
        })
    }

    /// Elements and bytes of one block.
    fn block(&self) -> (usize, usize) {
        match self {
            Self::Plain(element) => (1, element.size()),
            Self::Blocks(kind) => (kind.block_size(), kind.type_size()),
        }
    }

    fn widen(&self, bytes: &[u8], out: &mut [f32]) -> candle_core::Result<()> {
        match self {
            Self::Plain(element) => element.widen(bytes, out),
            Self::Blocks(kind) => {
                let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, *kind)?;
                let values = QTensor::new(storage, out.len())?.dequantize(&Device::Cpu)?;
                out.copy_from_slice(&values.to_vec1::<f32>()?);
            }
        }
        Ok(())
    }
}

impl Gguf {
    /// Reads the header of a GGUF file.
    ///
    /// # Errors
    /// When the bytes are not a whole GGUF file that holds one model, or a tensor is of a type that cannot be widened.
    pub(crate) fn open(file: &str, bytes: Bytes) -> Result<Self> {
        let header = GgufHeader::parse(file, &bytes)?;
        gguf_refusals::refuse(&header)?;
        let gguf = Self { header, bytes };
        let mut end = 0;
        for (name, tensor) in &gguf.header.tensors {
            let (_, storage) = gguf.find(name)?;
            let (_, data) = gguf.data(name, tensor, &storage)?;
            end = end.max(tensor.start + data.len());
        }
        let more = gguf.bytes.len() - end;
        if more > MOST_PADDING {
            let problem = format!("{more} bytes follow the last tensor: this is not one model");
            return Err(Error::model(file, problem));
        }
        Ok(gguf)
    }

    fn fail(&self, tensor: &str, problem: impl std::fmt::Display) -> Error {
        Error::model(&self.header.file, format!("tensor {tensor} {problem}"))
    }

    /// A tensor and how its elements are stored.
    fn find(&self, name: &str) -> Result<(&GgufTensor, Storage)> {
        let tensor = self.header.tensors.get(name);
        let tensor = tensor.ok_or_else(|| self.fail(name, "is missing"))?;
        let storage = Storage::from_kind(tensor.kind).ok_or_else(|| {
            let problem = format!(
                "has elements of type {}, which is not supported; supported: F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, \
                 Q8_0, Q2_K to Q6_K, Q8_K",
                gguf_kinds::label(tensor.kind)
            );
            self.fail(name, problem)
        })?;
        Ok((tensor, storage))
    }

    fn widened(
        &self,
        name: &str,
        storage: &Storage,
        count: usize,
        data: &[u8],
    ) -> Result<Vec<f32>> {
        let (elements, size) = storage.block();
        widen(count, data, CHUNK / elements * size, |bytes, out| {
            storage.widen(bytes, out)
        })
        .map_err(|error| self.fail(name, format!("cannot be dequantised: {error}")))
    }

    /// Number of elements and the bytes that hold them.
    fn data(&self, name: &str, tensor: &GgufTensor, storage: &Storage) -> Result<(usize, &[u8])> {
        let (elements, size) = storage.block();
        let count = tensor
            .shape
            .iter()
            .try_fold(1_usize, |count, width| count.checked_mul(*width))
            .ok_or_else(|| self.fail(name, "has too many elements"))?;
        if !count.is_multiple_of(elements) {
            let problem = format!("has {count} elements, not a multiple of its blocks' {elements}");
            return Err(self.fail(name, problem));
        }
        let data = (count / elements)
            .checked_mul(size)
            .and_then(|bytes| bytes.checked_add(tensor.start))
            .and_then(|end| self.bytes.get(tensor.start..end))
            .ok_or_else(|| {
                let length = self.bytes.len();
                let problem = format!("reaches beyond the end of the file ({length} bytes)");
                self.fail(name, problem)
            })?;
        if !data.as_ptr().addr().is_multiple_of(BLOCK_ALIGNMENT) {
            return Err(self.fail(name, "starts at an unaligned place of the file"));
        }
        Ok((count, data))
    }
}

impl TensorSource for Gguf {
    fn format(&self) -> Format {
        Format::Gguf
    }

    fn file(&self, _tensor: &str) -> String {
        self.header.file.clone()
    }

    fn names(&self) -> Vec<&str> {
        self.header.tensors.keys().map(String::as_str).collect()
    }

    fn shape(&self, tensor: &str) -> Option<&[usize]> {
        let tensor = self.header.tensors.get(tensor)?;
        Some(&tensor.shape)
    }

    fn read(&self, name: &str) -> Result<Values<f32>> {
        let (tensor, storage) = self.find(name)?;
        let (count, data) = self.data(name, tensor, &storage)?;
        if matches!(storage, Storage::Plain(Element::F32))
            && let Some(mapped) = singles(&self.bytes, tensor.start..tensor.start + data.len())
        {
            return Ok(mapped);
        }
        Ok(self.widened(name, &storage, count, data)?.into())
    }

    fn rows_stay(&self, name: &str) -> bool {
        let Ok((tensor, storage)) = self.find(name) else {
            return false;
        };
        let width = tensor.shape.last().copied().unwrap_or(1);
        !matches!(storage, Storage::Plain(Element::F32)) && width.is_multiple_of(storage.block().0)
    }

    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>> {
        let (tensor, storage) = self.find(name)?;
        let (_, data) = self.data(name, tensor, &storage)?;
        let (elements, size) = storage.block();
        let width = tensor.shape.last().copied().unwrap_or(1);
        let bytes = width / elements * size;
        let count = rows.len() * width;
        self.widened(
            name,
            &storage,
            count,
            &data[rows.start * bytes..rows.end * bytes],
        )
    }

    fn contents(&self) -> Vec<&Bytes> {
        vec![&self.bytes]
    }

    fn refuse_unreadable(&self, name: &str) -> Result<()> {
        let (tensor, storage) = self.find(name)?;
        self.data(name, tensor, &storage).map(|_| ())
    }

    fn element(&self, name: &str) -> Option<String> {
        let tensor = self.header.tensors.get(name)?;
        Some(gguf_kinds::label(tensor.kind))
    }

    fn hash(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&self.bytes);
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safetensors::SafeTensors;

    use super::*;

    /// Every type of block is widened to the very numbers that the gguf package makes of it
    /// (`scripts/gguf_fixtures.py`).
    #[test]
    fn blocks_are_dequantised_to_the_bit() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf");
        let bytes = Bytes::map(&folder.join("blocks.gguf")).unwrap();
        let gguf = Gguf::open("blocks.gguf", bytes).unwrap();
        let expected = fs_err::read(folder.join("blocks.safetensors")).unwrap();
        let expected = SafeTensors::deserialize(&expected).unwrap();
        assert_eq!(expected.len(), 13);
        for (name, view) in expected.iter() {
            let (values, _) = view.data().as_chunks::<4>();
            let wanted = values.iter().map(|le| f32::from_le_bytes(*le));
            let found = gguf.read(name).unwrap();
            assert_eq!(found.len(), values.len());
            for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let same = found.to_bits() == wanted.to_bits() || (*found == 0.0 && wanted == 0.0);
                assert!(same, "{name}, element {at}: {found} is not {wanted}");
            }
        }
    }
}
