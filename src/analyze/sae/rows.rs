//! Where the rows of training come from.

use crate::engine::{Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

/// Contexts that are run together at most.
const TOGETHER: usize = 8;

/// Rows to train on, in rounds; the same for the same round, whenever it is asked for.
pub trait Rows<T> {
    /// Numbers of a row.
    fn width(&self) -> usize;

    /// The rows of a round.
    ///
    /// # Errors
    /// When they cannot be made, or the observer interrupts.
    fn round(&mut self, round: usize) -> Result<Vec<T>>;
}

/// What a layer represents at every position of contexts, read again from the first when they end.
pub struct TextRows<'r, 'a, T> {
    /// The model.
    pub transformer: &'r Transformer<'a, T>,
    /// The contexts.
    pub contexts: &'r [Vec<u32>],
    /// The layer, and what of it.
    pub at: (usize, Representation),
    /// Contexts of a round.
    pub per_round: usize,
    /// Told of interruptions.
    pub observer: &'r dyn Observer,
}

impl<T: Real> Rows<T> for TextRows<'_, '_, T> {
    fn width(&self) -> usize {
        self.transformer.width_of(self.at.1)
    }

    fn round(&mut self, round: usize) -> Result<Vec<T>> {
        let count = self.contexts.len();
        let first = round * self.per_round;
        let contexts: Vec<&[u32]> = (first..first + self.per_round)
            .map(|index| &self.contexts[index % count][..])
            .collect();
        let mut rows = Vec::new();
        let longest = contexts.iter().map(|it| it.len()).max().unwrap_or(0);
        let together = self.transformer.texts_together(longest, 0, TOGETHER);
        for contexts in contexts.chunks(together) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            rows.extend(
                self.transformer
                    .representation(contexts, self.at.0, self.at.1)?,
            );
        }
        Ok(rows)
    }
}
