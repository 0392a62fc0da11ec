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
    /// Positions at the start of each context that are left out.
    pub skip_first: usize,
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
            let all = self
                .transformer
                .representation(contexts, self.at.0, self.at.1)?;
            let width = self.transformer.width_of(self.at.1);
            rows.extend(without_first(&all, width, contexts, self.skip_first));
        }
        Ok(rows)
    }
}

/// The rows of contexts but those of their first positions.
pub(super) fn without_first<T: Copy>(
    rows: &[T],
    width: usize,
    contexts: &[&[u32]],
    skip_first: usize,
) -> Vec<T> {
    let mut kept = Vec::with_capacity(rows.len());
    let mut rest = rows;
    for context in contexts {
        let (of_context, others) = rest.split_at(context.len() * width);
        let from = skip_first.min(context.len()) * width;
        kept.extend_from_slice(&of_context[from..]);
        rest = others;
    }
    kept
}
