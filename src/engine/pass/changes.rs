//! What may be changed in a run: values that are set, the stream, and representations as they are computed.

use super::intervention::Intervention;
use super::layout::Layout;
use super::steering::{AddAt, Steering};
use crate::graph::Representation;

/// What is changed in a run.
#[derive(Clone, Copy)]
pub(crate) struct Changes<'c, T> {
    /// Values that are set.
    pub interventions: &'c [Intervention<T>],
    /// What is done to the stream.
    pub steering: Option<&'c Steering<T>>,
    /// What is done to representations as they are computed.
    pub splice: Option<&'c dyn Splice<T>>,
}

impl<T> Changes<'_, T> {
    /// Nothing.
    pub(crate) const fn none() -> Self {
        Self {
            interventions: &[],
            steering: None,
            splice: None,
        }
    }

    pub(in crate::engine) fn splice(
        &self,
        (layer, of): (usize, Representation),
        rows: &mut [T],
        (layout, reads_only): (&Layout, bool),
    ) {
        if let Some(splice) = self.splice {
            splice.splice((layer, of), rows, &layout.row_places(reads_only));
        }
    }
}

/// Changes representations of a run when they have been computed; what comes after is computed from what it makes of them.
pub trait Splice<T>: Sync {
    /// Changes the rows of a layer's representation, `[rows, width]`, those of all copies one after the other. In the last
    /// layer there are only the rows that are read.
    fn splice(&self, at: (usize, Representation), rows: &mut [T], places: &RowPlaces);
}

/// Which positions the rows of a representation are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlaces {
    /// Number of each row's sequence.
    pub sequences: Vec<usize>,
    /// Position of each row in its sequence.
    pub positions: Vec<usize>,
    /// Rows whose logits are read.
    pub reads: Vec<usize>,
}

impl RowPlaces {
    /// The rows where something is added, without those of the first positions of each sequence.
    pub fn rows(&self, at: AddAt, skip_first: usize) -> Vec<usize> {
        let after = |row: &usize| self.positions[*row] >= skip_first;
        match at {
            AddAt::Every => (0..self.positions.len()).filter(after).collect(),
            AddAt::Scored => self.reads.iter().copied().filter(after).collect(),
        }
    }
}
