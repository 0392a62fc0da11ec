//! A representation as features and what the autoencoder leaves, and put together again with some of them replaced.

use super::placed::SaeAtSite;
use crate::model::Real;

/// Rows that are encoded at a time, so that wide dictionaries take little memory.
const ROWS: usize = 128;

/// The active features of a row with their activations, in units of the representation, ascending.
pub(super) type Active<T> = Vec<(usize, T)>;

/// Rows as features and errors.
#[derive(Debug, Clone)]
pub(super) struct Parts<T> {
    /// Active features by row.
    pub active: Vec<Active<T>>,
    /// What the autoencoder leaves, `[rows, width]`.
    pub error: Vec<T>,
    /// The rows themselves.
    pub whole: Vec<T>,
}

/// Which parts of a representation are kept.
#[derive(Debug, Clone)]
pub(super) struct KeptNodes {
    /// By feature.
    pub features: Vec<bool>,
    pub error: bool,
}

impl<T: Real> SaeAtSite<T> {
    /// The active features of rows.
    pub(super) fn active(&self, rows: &[T]) -> Vec<Active<T>> {
        let dictionary = &self.dictionary;
        let unit = T::from_f64(1.0 / dictionary.scale);
        let mut found = Vec::with_capacity(rows.len() / dictionary.width);
        for rows in rows.chunks(ROWS * dictionary.width) {
            let codes = dictionary.encode(&dictionary.scaled(rows));
            for codes in codes.chunks_exact(dictionary.features) {
                let codes = codes.iter().enumerate();
                let active = codes.filter(|(_, code)| **code > T::ZERO);
                found.push(
                    active
                        .map(|(feature, &code)| (feature, unit * code))
                        .collect(),
                );
            }
        }
        found
    }

    /// What features and the decoder's bias make together.
    pub(super) fn made_of(&self, active: &Active<T>) -> Vec<T> {
        let unit = T::from_f64(1.0 / self.dictionary.scale);
        let bias = self.dictionary.decoder_bias.iter();
        let mut row: Vec<T> = bias.map(|&bias| unit * bias).collect();
        for &(feature, activation) in active {
            add(&mut row, activation, self.direction(feature));
        }
        row
    }

    /// Rows as features and errors.
    pub(super) fn parts(&self, rows: &[T]) -> Parts<T> {
        let active = self.active(rows);
        let mut error = rows.to_vec();
        let width = self.dictionary.width;
        for (row, active) in error.chunks_exact_mut(width).zip(&active) {
            for (value, made) in row.iter_mut().zip(self.made_of(active)) {
                *value -= made;
            }
        }
        Parts {
            active,
            error,
            whole: rows.to_vec(),
        }
    }

    /// Replaces what is not kept in rows of a run. `replaced` has a row for each of them, or one for all.
    pub(super) fn replace(&self, kept: &KeptNodes, replaced: &Parts<T>, rows: &mut [T]) {
        let width = self.dictionary.width;
        let row_of = |row: usize| row % replaced.active.len();
        let at = |row: usize| row_of(row) * width..(row_of(row) + 1) * width;
        let all = kept.features.iter().all(|&kept| kept);
        if all && kept.error {
            return;
        }
        if !kept.error && !kept.features.contains(&true) {
            for (index, row) in rows.chunks_exact_mut(width).enumerate() {
                row.copy_from_slice(&replaced.whole[at(index)]);
            }
            return;
        }
        let active = self.active(rows);
        for ((index, row), own) in rows.chunks_exact_mut(width).enumerate().zip(&active) {
            let other = &replaced.active[row_of(index)];
            if kept.error {
                // What is kept stays as it is, to the bit.
                for (feature, own, other) in merged(own, other) {
                    if !kept.features[feature] {
                        add(row, other - own, self.direction(feature));
                    }
                }
                continue;
            }
            let mixed = merged(own, other).map(|(feature, own, other)| {
                let kept = kept.features[feature];
                (feature, if kept { own } else { other })
            });
            row.copy_from_slice(&self.made_of(&mixed.collect()));
            add(row, T::ONE, &replaced.error[at(index)]);
        }
    }
}

/// The activations of the features that are active in one of two rows, ascending.
pub(super) fn merged<T: Real>(
    one: &Active<T>,
    other: &Active<T>,
) -> impl Iterator<Item = (usize, T, T)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    std::iter::from_fn(move || {
        let next = match (one.peek(), other.peek()) {
            (None, None) => return None,
            (Some(a), Some(b)) => a.0.min(b.0),
            (Some(a), None) => a.0,
            (None, Some(b)) => b.0,
        };
        let own = one.next_if(|it| it.0 == next).map_or(T::ZERO, |it| it.1);
        let others = other.next_if(|it| it.0 == next).map_or(T::ZERO, |it| it.1);
        Some((next, own, others))
    })
}

/// Adds a multiple of a row.
pub(super) fn add<T: Real>(row: &mut [T], by: T, other: &[T]) {
    for (value, &other) in row.iter_mut().zip(other) {
        *value += by * other;
    }
}
