//! Causal attention of one head over packed sequences, with its vector-Jacobian product.

use super::rows::{add_scaled, dot};
use crate::model::Real;

/// One head's columns of a packed matrix: row `i` is `data[i * stride + offset..][..width]`.
#[derive(Clone, Copy)]
pub(crate) struct HeadRows<'a, T> {
    pub data: &'a [T],
    pub stride: usize,
    pub offset: usize,
    pub width: usize,
}

impl<'a, T> HeadRows<'a, T> {
    /// Row `index`.
    pub(crate) fn row(&self, index: usize) -> &'a [T] {
        let start = index * self.stride + self.offset;
        &self.data[start..start + self.width]
    }
}

/// Keys or values of one sequence: those of the shared prefix, then its own rows.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, T> {
    /// Rows of the shared prefix, absent where nothing is shared.
    pub prefix: HeadRows<'a, T>,
    /// First row of the prefix and its length.
    pub prefix_start: usize,
    pub prefix_len: usize,
    /// The sequence's own rows.
    pub own: HeadRows<'a, T>,
    /// First own row.
    pub own_start: usize,
}

impl<'a, T> Sequence<'a, T> {
    fn row(&self, position: usize) -> &'a [T] {
        if position < self.prefix_len {
            self.prefix.row(self.prefix_start + position)
        } else {
            self.own.row(self.own_start + position - self.prefix_len)
        }
    }
}

/// Softmax of the scaled scores of a query against the first `probabilities.len()` keys.
fn pattern<T: Real>(query: &[T], keys: Sequence<'_, T>, scale: T, probabilities: &mut [T]) {
    let mut largest = None;
    for (position, score) in probabilities.iter_mut().enumerate() {
        *score = dot(query, keys.row(position)) * scale;
        largest = Some(largest.map_or(*score, |largest: T| largest.max(*score)));
    }
    let largest = largest.unwrap_or(T::ZERO);
    let mut total = T::ZERO;
    for score in probabilities.iter_mut() {
        *score = (*score - largest).exp();
        total += *score;
    }
    for score in probabilities.iter_mut() {
        *score = *score / total;
    }
}

/// The weighted sum of values for one query that sees `seen` positions, added to `out`.
pub(crate) fn attend<T: Real>(
    query: &[T],
    keys: Sequence<'_, T>,
    values: Sequence<'_, T>,
    seen: usize,
    scale: T,
    scratch: &mut Vec<T>,
    out: &mut [T],
) {
    scratch.clear();
    scratch.resize(seen, T::ZERO);
    pattern(query, keys, scale, scratch);
    for (position, &probability) in scratch.iter().enumerate() {
        add_scaled(out, probability, values.row(position));
    }
}

/// Where the gradients of one head go: queries, keys and values of its own rows.
pub(crate) struct HeadGradients<'a, T> {
    /// Gradient of this query.
    pub query: &'a mut [T],
    /// `[own rows of the sequence, width]`.
    pub keys: &'a mut [T],
    /// `[own rows of the sequence, width]`.
    pub values: &'a mut [T],
}

/// Pulls the gradient of one query's result back to the query, the keys and the values. Gradients of the
/// shared prefix are constants' and dropped.
#[expect(
    clippy::too_many_arguments,
    reason = "one attention row: all of it is needed"
)]
pub(crate) fn attend_backward<T: Real>(
    query: &[T],
    keys: Sequence<'_, T>,
    values: Sequence<'_, T>,
    seen: usize,
    scale: T,
    scratch: &mut Vec<T>,
    gradient: &[T],
    into: &mut HeadGradients<'_, T>,
) {
    scratch.clear();
    scratch.resize(2 * seen, T::ZERO);
    let (probabilities, upstream) = scratch.split_at_mut(seen);
    pattern(query, keys, scale, probabilities);
    let mut mean = T::ZERO;
    for position in 0..seen {
        upstream[position] = dot(gradient, values.row(position));
        mean += probabilities[position] * upstream[position];
    }
    let width = query.len();
    for position in 0..seen {
        let score = probabilities[position] * (upstream[position] - mean) * scale;
        add_scaled(into.query, score, keys.row(position));
        if position >= keys.prefix_len {
            let row = (position - keys.prefix_len) * width;
            add_scaled(&mut into.keys[row..row + width], score, query);
            add_scaled(
                &mut into.values[row..row + width],
                probabilities[position],
                gradient,
            );
        }
    }
}
