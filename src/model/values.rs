//! Numbers of a weight: in memory of their own, or a part of a mapped file.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Where numbers are kept.
pub(crate) trait Store<T>: Send + Sync {
    /// The numbers.
    fn values(&self) -> &[T];

    /// Whether they are in memory of their own, and not in a file that the system may drop and read again.
    fn is_held(&self) -> bool;
}

impl<T: Send + Sync> Store<T> for Vec<T> {
    fn values(&self) -> &[T] {
        self
    }

    fn is_held(&self) -> bool {
        true
    }
}

/// A range of numbers that is cheap to clone.
#[derive(Clone)]
pub struct Values<T> {
    store: Arc<dyn Store<T>>,
    range: Range<usize>,
}

impl<T> Values<T> {
    /// All numbers of a store.
    pub(crate) fn new(store: Arc<dyn Store<T>>) -> Self {
        let range = 0..store.values().len();
        Self { store, range }
    }

    /// A part of them; nothing is copied.
    ///
    /// # Panics
    /// When there are not as many.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.range.len());
        Self {
            store: Arc::clone(&self.store),
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }

    /// Bytes of memory that the numbers take, mapped files apart.
    pub fn held_bytes(&self) -> usize {
        if self.store.is_held() {
            self.range.len() * size_of::<T>()
        } else {
            0
        }
    }
}

impl<T: Send + Sync + 'static> From<Vec<T>> for Values<T> {
    fn from(values: Vec<T>) -> Self {
        Self::new(Arc::new(values))
    }
}

impl<T> Deref for Values<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.store.values()[self.range.clone()]
    }
}

impl<T: fmt::Debug> fmt::Debug for Values<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: PartialEq> PartialEq for Values<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
