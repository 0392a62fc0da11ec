//! Which writers differ, example by example.
//!
//! Examples are run together, and what differs in one of them may not in another. Where nothing differs that an example
//! reads, its values stay as they are to the last bit, whatever the others do.

use std::ops::Range;

/// A bit for each writer in each example.
#[derive(Debug, Clone)]
pub(crate) struct Differing {
    /// Words of all writers' bits.
    words: usize,
    /// `[examples, words]`.
    each: Vec<u64>,
    /// Bits of the writers that differ in any example.
    any: Vec<u64>,
}

impl Differing {
    /// No writer differs.
    pub(crate) fn none(examples: usize, writers: usize) -> Self {
        let words = writers.div_ceil(64);
        Self {
            words,
            each: vec![0; examples * words],
            any: vec![0; words],
        }
    }

    /// Number of examples.
    pub(crate) fn examples(&self) -> usize {
        self.each.len().checked_div(self.words).unwrap_or(0)
    }

    /// A writer differs in an example.
    pub(crate) fn set(&mut self, writer: usize, example: usize) {
        let (word, bit) = (writer / 64, 1 << (writer % 64));
        self.each[example * self.words + word] |= bit;
        self.any[word] |= bit;
    }

    /// These writers do not differ.
    pub(crate) fn clear(&mut self, writers: Range<usize>) {
        for writer in writers {
            let (word, bit) = (writer / 64, 1 << (writer % 64));
            for bits in self.each.iter_mut().skip(word).step_by(self.words) {
                *bits &= !bit;
            }
            self.any[word] &= !bit;
        }
    }

    /// Whether a writer differs in any example.
    pub(crate) fn contains(&self, writer: usize) -> bool {
        self.any[writer / 64] >> (writer % 64) & 1 == 1
    }

    /// Whether a writer differs in an example.
    pub(crate) fn contains_in(&self, writer: usize, example: usize) -> bool {
        self.of(example)[writer / 64] >> (writer % 64) & 1 == 1
    }

    /// Bits of the writers that differ in any example.
    pub(crate) fn any(&self) -> &[u64] {
        &self.any
    }

    /// Bits of the writers that differ in an example.
    pub(crate) fn of(&self, example: usize) -> &[u64] {
        &self.each[example * self.words..(example + 1) * self.words]
    }
}
