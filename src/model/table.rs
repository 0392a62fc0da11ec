//! A matrix with one row per token: the embedding, or the unembedding.
//!
//! Vocabularies are large and few of their rows are read, so the rows of tensors that are not single precision stay in
//! the file and are widened when somebody asks for them.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::{Real, Values};

/// Rows that are widened or multiplied together. The number is fixed, so that no result depends on memory.
pub(crate) const PANEL: usize = 4096;

/// Widens rows of a table in a file.
pub(crate) trait RowSource: Send + Sync {
    /// The numbers of some rows.
    fn rows(&self, range: Range<usize>) -> Vec<f32>;
}

/// A matrix `[rows, width]`, row-major.
#[derive(Clone)]
pub struct Table<T> {
    rows: usize,
    width: usize,
    held: Held<T>,
}

#[derive(Clone)]
enum Held<T> {
    /// All rows, in memory or mapped.
    All(Values<T>),
    /// Rows are widened on use; all of them stay, once all were wanted, where there is room.
    File {
        source: Arc<dyn RowSource>,
        all: Option<Arc<OnceLock<Values<T>>>>,
    },
}

impl<T: Real> Table<T> {
    /// A table in memory, or mapped.
    ///
    /// # Panics
    /// When there are no whole rows of this width.
    pub fn new(values: impl Into<Values<T>>, width: usize) -> Self {
        let values = values.into();
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "rows of a table"
        );
        Self {
            rows: values.len() / width,
            width,
            held: Held::All(values),
        }
    }

    /// A table of a file.
    pub(crate) fn in_file(source: Arc<dyn RowSource>, [rows, width]: [usize; 2]) -> Self {
        Self {
            rows,
            width,
            held: Held::File { source, all: None },
        }
    }

    /// The same table; with `keep`, all rows of a file stay in memory once all were wanted.
    pub(crate) fn kept(mut self, keep: bool) -> Self {
        if let Held::File { all, .. } = &mut self.held {
            *all = keep.then(Arc::default);
        }
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Some rows, one after the other.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn gather(&self, indices: &[usize]) -> Vec<T> {
        let width = self.width;
        let mut out = Vec::with_capacity(indices.len() * width);
        match self.all() {
            Some(all) => {
                for index in indices {
                    out.extend_from_slice(&all[index * width..(index + 1) * width]);
                }
            }
            None => {
                for &index in indices {
                    out.extend(self.widened(index..index + 1));
                }
            }
        }
        out
    }

    /// The rows in panels of a fixed number, the last one shorter.
    pub(crate) fn panels(&self) -> impl Iterator<Item = (Range<usize>, Values<T>)> {
        let keep = match &self.held {
            Held::File { all: Some(all), .. } => {
                Some(all.get_or_init(|| self.widened(0..self.rows).into()))
            }
            _ => None,
        };
        let all = keep.or(self.all());
        (0..self.rows).step_by(PANEL).map(move |start| {
            let range = start..(start + PANEL).min(self.rows);
            let panel = match all {
                Some(all) => all.slice(range.start * self.width..range.end * self.width),
                None => self.widened(range.clone()).into(),
            };
            (range, panel)
        })
    }

    /// Bytes that rows take in memory from the start, mapped files apart.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.held {
            Held::All(values) => values.held_bytes(),
            Held::File { .. } => 0,
        }
    }

    /// Bytes that rows take beyond that when all are read.
    pub(super) fn bytes_when_read(&self) -> usize {
        let rows = match &self.held {
            Held::All(_) => 0,
            Held::File { all: Some(_), .. } => self.rows,
            Held::File { all: None, .. } => self.rows.min(PANEL),
        };
        rows * self.width * size_of::<T>()
    }

    /// The same table in another precision.
    pub fn cast<U: Real>(&self, keep: bool) -> Table<U> {
        let held = match &self.held {
            Held::All(values) => Held::All(super::weights::cast(values)),
            Held::File { source, .. } => Held::File {
                source: Arc::clone(source),
                all: keep.then(Arc::default),
            },
        };
        Table {
            rows: self.rows,
            width: self.width,
            held,
        }
    }

    fn all(&self) -> Option<&Values<T>> {
        match &self.held {
            Held::All(values) => Some(values),
            Held::File { all, .. } => all.as_ref().and_then(|all| all.get()),
        }
    }

    fn widened(&self, range: Range<usize>) -> Vec<T> {
        match &self.held {
            Held::All(values) => values[range.start * self.width..range.end * self.width].to_vec(),
            Held::File { source, .. } => T::from_singles(source.rows(range)),
        }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table [{}, {}]", self.rows, self.width)
    }
}
