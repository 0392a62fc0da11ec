//! A source that remembers which of its tensors were read, so that none is left out unnoticed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Bytes, Format, TensorSource};
use crate::error::{Error, Result};
use crate::model::Values;

/// A source under watch.
pub(crate) struct Tracked<'a> {
    source: &'a dyn TensorSource,
    read: Mutex<BTreeSet<String>>,
}

impl<'a> Tracked<'a> {
    /// Watches a source from now on.
    pub(crate) fn new(source: &'a dyn TensorSource) -> Self {
        Self {
            source,
            read: Mutex::default(),
        }
    }

    /// Refuses tensors that nobody read: the model would be computed without them.
    ///
    /// # Errors
    /// When there is one that is `wanted`; the error names it.
    pub(crate) fn refuse_unread(&self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.source.names();
        let unread = names
            .into_iter()
            .find(|name| !read.contains(*name) && wanted(name));
        match unread {
            None => Ok(()),
            Some(name) => {
                let problem = format!(
                    "tensor {name} has no place in a model of this family and configuration; the model is not what its \
                     configuration says, or needs what is not supported"
                );
                Err(Error::model(self.source.file(name), problem))
            }
        }
    }
}

impl Tracked<'_> {
    fn note(&self, tensor: &str) {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tensor.to_owned());
    }
}

impl TensorSource for Tracked<'_> {
    fn format(&self) -> Format {
        self.source.format()
    }

    fn file(&self, tensor: &str) -> String {
        self.source.file(tensor)
    }

    fn names(&self) -> Vec<&str> {
        self.source.names()
    }

    fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.source.shape(tensor)
    }

    fn read(&self, tensor: &str) -> Result<Values<f32>> {
        self.note(tensor);
        self.source.read(tensor)
    }

    fn touch(&self, tensor: &str) {
        self.note(tensor);
    }

    fn rows_stay(&self, tensor: &str) -> bool {
        self.source.rows_stay(tensor)
    }

    fn rows(&self, tensor: &str, rows: Range<usize>) -> Result<Vec<f32>> {
        self.note(tensor);
        self.source.rows(tensor, rows)
    }

    fn contents(&self) -> Vec<&Bytes> {
        self.source.contents()
    }

    fn refuse_unreadable(&self, tensor: &str) -> Result<()> {
        self.source.refuse_unreadable(tensor)
    }

    fn element(&self, tensor: &str) -> Option<String> {
        self.source.element(tensor)
    }

    fn hash(&self, hasher: &mut blake3::Hasher) {
        self.source.hash(hasher);
    }

    fn size(&self) -> u64 {
        self.source.size()
    }
}
