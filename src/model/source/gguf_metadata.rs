//! What the header of a GGUF file says: metadata by key and type, and where the tensors are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// A metadata value; arrays only where this program reads them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GgufValue {
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    /// Whole numbers, or switches as 0 and 1.
    Integers(Vec<i64>),
    Floats(Vec<f32>),
    /// An array of something else.
    Other,
}

impl GgufValue {
    /// What a message calls it.
    fn in_words(&self) -> String {
        match self {
            Self::Integer(value) => format!("the whole number {value}"),
            Self::Float(value) => format!("the decimal {value}"),
            Self::Bool(value) => format!("{value}"),
            Self::Text(_) => "a text".into(),
            Self::Texts(_) => "a list of texts".into(),
            Self::Integers(_) => "a list of whole numbers".into(),
            Self::Floats(_) => "a list of decimals".into(),
            Self::Other => "a list of something else".into(),
        }
    }
}

/// Where a tensor is and what it holds.
#[derive(Debug, Clone)]
pub(crate) struct GgufTensor {
    /// Row-major: the file's dimensions, reversed.
    pub(crate) shape: Vec<usize>,
    /// The file's number for the element type.
    pub(crate) kind: u32,
    /// Where the data starts, from the start of the file.
    pub(crate) start: usize,
}

/// Everything before a GGUF file's tensor data.
#[derive(Debug)]
pub(crate) struct GgufHeader {
    /// The file, as messages call it.
    pub(crate) file: String,
    /// Metadata by key.
    pub(crate) metadata: BTreeMap<String, GgufValue>,
    /// Tensors by name.
    pub(crate) tensors: BTreeMap<String, GgufTensor>,
    /// Metadata keys that were asked for.
    pub(super) read: Mutex<BTreeSet<String>>,
}

impl GgufHeader {
    fn wrong(&self, key: &str, problem: &str) -> Error {
        Error::model(&self.file, format!("metadata key {key} {problem}"))
    }

    /// A metadata value, where there is one.
    fn get(&self, key: &str) -> Option<&GgufValue> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(key.to_owned());
        self.metadata.get(key)
    }

    /// The metadata keys that nobody asked for.
    pub(crate) fn unread(&self) -> Vec<&str> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.metadata.keys().map(String::as_str);
        keys.filter(|key| !read.contains(*key)).collect()
    }

    /// A metadata value of one type, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        read(value).map(Some).ok_or_else(|| {
            let problem = format!("is not {wanted}, but {}", value.in_words());
            self.wrong(key, &problem)
        })
    }

    /// A metadata text, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a text", |value| match value {
            GgufValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A metadata switch, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn switch(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", |value| match value {
            GgufValue::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// A metadata number that is a size, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a size", |value| match value {
            GgufValue::Integer(value) => usize::try_from(*value).ok(),
            _ => None,
        })
    }

    /// A size of all layers, where there is one: one number, or a list of as many equal ones as there are layers.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn layer_size(&self, key: &str, layers: usize) -> Result<Option<usize>> {
        let Some(GgufValue::Integers(values)) = self.get(key) else {
            return self.size(key);
        };
        if values.len() != layers {
            let problem = format!(
                "lists {} numbers; expected one for each of the {layers} layers",
                values.len()
            );
            return Err(self.wrong(key, &problem));
        }
        match values.split_first() {
            Some((first, rest)) if rest.iter().all(|value| value == first) => {
                let size = usize::try_from(*first);
                size.map(Some).map_err(|_| self.wrong(key, "is not a size"))
            }
            _ => Err(self.wrong(key, "differs between layers, which is not supported")),
        }
    }

    /// A metadata number that is a size.
    ///
    /// # Errors
    /// When the key is absent or something else.
    pub(crate) fn required_size(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    /// A metadata number, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |value| match value {
            GgufValue::Float(value) => Some(*value),
            GgufValue::Integer(value) => Some(*value as f64),
            _ => None,
        })
    }

    /// A metadata list of texts, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<&[String]>> {
        self.typed(key, "a list of texts", |value| match value {
            GgufValue::Texts(texts) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// A metadata list of numbers, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn floats(&self, key: &str) -> Result<Option<&[f32]>> {
        self.typed(key, "a list of decimals", |value| match value {
            GgufValue::Floats(values) => Some(values.as_slice()),
            _ => None,
        })
    }

    /// A metadata list of whole numbers, where there is one.
    ///
    /// # Errors
    /// When the key is there with anything else.
    pub(crate) fn integers(&self, key: &str) -> Result<Option<&[i64]>> {
        self.typed(key, "a list of whole numbers", |value| match value {
            GgufValue::Integers(values) => Some(values.as_slice()),
            _ => None,
        })
    }
}
