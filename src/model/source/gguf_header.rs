//! Reads the header of a GGUF file.
//!
//! Lengths in the header are checked against the rest of the file before anything is allocated, so that memory stays
//! within a small multiple of the file's size whatever the file claims.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::gguf_metadata::{GgufHeader, GgufTensor, GgufValue};
use crate::error::{Error, Result};

const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_DIMENSIONS: u32 = 4;
const MAX_DEPTH: usize = 4;
/// Bytes of everything before the tensors' data; vocabularies take some ten MiB.
const MAX_HEADER: usize = 256 << 20;
/// Elements of all metadata arrays together; an element takes more memory here than in the file.
const MAX_ELEMENTS: u64 = 1 << 24;
/// Metadata keys, and tensors.
const MAX_ENTRIES: u64 = 1 << 20;

impl GgufHeader {
    /// Reads the header of a GGUF file (versions 2 and 3, little endian).
    ///
    /// # Errors
    /// When the bytes are not such a file, or the header does not fit into them.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        refuse_other_formats(file, bytes)?;
        // A file without content on the disk may be of any size.
        let mut cursor = Cursor {
            bytes: &bytes[..bytes.len().min(MAX_HEADER)],
            at: 0,
            elements: 0,
        };
        cursor
            .header(file)
            .map_err(|problem| Error::model(file, format!("not a whole GGUF file: {problem}")))
    }
}

/// Refuses files that are no GGUF, or of another version or order of bytes.
fn refuse_other_formats(file: &str, bytes: &[u8]) -> Result<()> {
    let fail = |problem: String| Err(Error::model(file, problem));
    let Some((start, rest)) = bytes.split_first_chunk::<4>() else {
        return fail(format!("not a GGUF file: it has {} bytes", bytes.len()));
    };
    match start {
        b"GGUF" => {}
        b"FUGG" => {
            return fail("is a GGUF file in big-endian order, which is not supported".into());
        }
        b"ggml" | b"lmgg" | b"fmgg" | b"tjgg" | b"algg" => {
            return fail(
                "is a GGML file from before GGUF, which is not supported; convert the original model again".into(),
            );
        }
        _ => return fail("not a GGUF file: it does not start with GGUF".into()),
    }
    let Some(version) = rest
        .first_chunk()
        .map(|version| u32::from_le_bytes(*version))
    else {
        return fail("not a whole GGUF file: it ends within its header".into());
    };
    match version {
        2..=3 => Ok(()),
        1 => fail(
            "is a GGUF file of version 1; versions 2 and 3 are supported. Convert the original model again with a current \
             llama.cpp"
                .into(),
        ),
        _ if (1..=0xffff).contains(&version.swap_bytes()) => fail(format!(
            "is a GGUF file in big-endian order (version {}), which is not supported; convert it with \
             `gguf_convert_endian.py` of llama.cpp",
            version.swap_bytes()
        )),
        _ => fail(format!("is a GGUF file of version {version}; versions 2 and 3 are supported")),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Elements of arrays so far.
    elements: u64,
}

type Parsed<T> = std::result::Result<T, String>;

impl<'a> Cursor<'a> {
    fn header(&mut self, file: &str) -> Parsed<GgufHeader> {
        // Magic and version.
        self.take(8)?;
        let tensor_count = self.u64()?;
        let value_count = self.u64()?;
        if tensor_count.max(value_count) > MAX_ENTRIES {
            return Err(format!(
                "it claims {tensor_count} tensors and {value_count} metadata keys"
            ));
        }
        let mut metadata = BTreeMap::new();
        for _ in 0..value_count {
            let key = self.text()?;
            let kind = self.u32()?;
            let value = self
                .value(kind)
                .map_err(|problem| format!("metadata key {key:?}: {problem}"))?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(format!("metadata key {key:?} is there twice"));
            }
        }
        let mut tensors = BTreeMap::new();
        for _ in 0..tensor_count {
            let name = self.text()?;
            let dimensions = self.u32()?;
            if dimensions > MAX_DIMENSIONS {
                return Err(format!("tensor {name:?} has {dimensions} dimensions"));
            }
            let mut shape = Vec::new();
            for _ in 0..dimensions {
                shape.push(self.size()?);
            }
            shape.reverse();
            let kind = self.u32()?;
            let start = self.size()?;
            let tensor = GgufTensor { shape, kind, start };
            if tensors.insert(name.clone(), tensor).is_some() {
                return Err(format!("tensor {name:?} is there twice"));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(GgufValue::Integer(value)) => u64::try_from(*value)
                .ok()
                .filter(|value| value.is_power_of_two())
                .ok_or("general.alignment is not a power of two")?,
            Some(_) => return Err("general.alignment is not a number".into()),
        };
        let data = (self.at as u64)
            .checked_next_multiple_of(alignment)
            .and_then(|data| usize::try_from(data).ok())
            .ok_or("general.alignment is too large")?;
        for (name, tensor) in &mut tensors {
            tensor.start = tensor
                .start
                .checked_add(data)
                .ok_or_else(|| format!("tensor {name:?} starts beyond the end of the file"))?;
        }
        Ok(GgufHeader {
            file: file.to_owned(),
            metadata,
            tensors,
            read: Mutex::default(),
        })
    }

    fn value(&mut self, kind: u32) -> Parsed<GgufValue> {
        Ok(match kind {
            6 => GgufValue::Float(f32::from_le_bytes(self.array()?).into()),
            7 => GgufValue::Bool(self.take(1)?[0] != 0),
            8 => GgufValue::Text(self.text()?),
            9 => {
                let kind = self.u32()?;
                let count = self.u64()?;
                self.list(kind, count, 0)?
            }
            12 => GgufValue::Float(f64::from_le_bytes(self.array()?)),
            _ => GgufValue::Integer(self.integer(kind)?),
        })
    }

    fn list(&mut self, kind: u32, count: u64, depth: usize) -> Parsed<GgufValue> {
        self.elements = self.elements.saturating_add(count);
        if self.elements > MAX_ELEMENTS {
            return Err(format!("an array of {count} elements is too long"));
        }
        match kind {
            8 => {
                let mut texts = Vec::new();
                for _ in 0..count {
                    texts.push(self.text()?);
                }
                Ok(GgufValue::Texts(texts))
            }
            6 => {
                let bytes = self.elements(count, 4)?;
                let (floats, _) = bytes.as_chunks::<4>();
                let floats = floats.iter().map(|le| f32::from_le_bytes(*le));
                Ok(GgufValue::Floats(floats.collect()))
            }
            7 => {
                let switches = self.elements(count, 1)?;
                let switches = switches.iter().map(|byte| i64::from(*byte != 0));
                Ok(GgufValue::Integers(switches.collect()))
            }
            12 => {
                self.elements(count, 8)?;
                Ok(GgufValue::Other)
            }
            9 if depth < MAX_DEPTH => {
                for _ in 0..count {
                    let kind = self.u32()?;
                    let count = self.u64()?;
                    self.list(kind, count, depth + 1)?;
                }
                Ok(GgufValue::Other)
            }
            9 => Err("arrays are nested too deep".into()),
            _ => {
                let mut values = Vec::new();
                for _ in 0..count {
                    let value = self.integer(kind)?;
                    values.push(i64::try_from(value).unwrap_or(i64::MAX));
                }
                Ok(GgufValue::Integers(values))
            }
        }
    }

    /// The bytes of an array of numbers.
    fn elements(&mut self, count: u64, width: usize) -> Parsed<&'a [u8]> {
        let bytes = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(width));
        self.take(bytes.ok_or("an array is longer than the file")?)
    }

    fn integer(&mut self, kind: u32) -> Parsed<i128> {
        Ok(match kind {
            0 => u8::from_le_bytes(self.array()?).into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => u32::from_le_bytes(self.array()?).into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            10 => u64::from_le_bytes(self.array()?).into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            _ => return Err(format!("unknown value type {kind}")),
        })
    }

    fn text(&mut self) -> Parsed<String> {
        let length = self.size()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn size(&mut self) -> Parsed<usize> {
        usize::try_from(self.u64()?).map_err(|_| "a number is too large".into())
    }

    fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let taken = self
            .at
            .checked_add(count)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| {
                format!(
                    "it ends within its header, or the header is longer than {} MiB: {count} bytes wanted at {}, there are {}",
                    MAX_HEADER >> 20,
                    self.at,
                    self.bytes.len()
                )
            })?;
        self.at += count;
        Ok(taken)
    }
}
