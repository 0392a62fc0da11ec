//! Attention of one head over packed sequences, with its vector-Jacobian product.

use std::ops::Range;

use super::dispatch::dispatched;
use super::rows::{add_scaled_lanes as add_scaled, dot_lanes as dot};
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
    #[inline(always)]
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
    #[inline(always)]
    fn row(&self, position: usize) -> &'a [T] {
        if position < self.prefix_len {
            self.prefix.row(self.prefix_start + position)
        } else {
            self.own.row(self.own_start + position - self.prefix_len)
        }
    }
}

/// How scores are made of dot products.
#[derive(Clone, Copy)]
pub(crate) struct Scoring<T> {
    /// Factor of the dot products.
    pub scale: T,
    /// Scores are capped softly: `cap * tanh(score / cap)`.
    pub soft_cap: Option<T>,
}

impl<T: Real> Scoring<T> {
    #[inline(always)]
    fn score(self, dot: T) -> T {
        let score = dot * self.scale;
        self.soft_cap
            .map_or(score, |cap| cap * (score / cap).tanh())
    }

    /// Derivative of the score with respect to the dot product.
    #[inline(always)]
    fn slope(self, dot: T) -> T {
        self.soft_cap.map_or(self.scale, |cap| {
            let tanh = (dot * self.scale / cap).tanh();
            self.scale * (T::ONE - tanh * tanh)
        })
    }
}

/// Softmax of the scores of a query against the keys from position `first` on.
#[inline(always)]
fn pattern<T: Real>(
    query: &[T],
    keys: Sequence<'_, T>,
    first: usize,
    scoring: Scoring<T>,
    probabilities: &mut [T],
) {
    let mut largest = None;
    for (index, score) in probabilities.iter_mut().enumerate() {
        *score = scoring.score(dot(query, keys.row(first + index)));
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

dispatched! {
/// The attention of one query to the keys from position `first` on, as many as `probabilities` has places.
pub(crate) fn pattern_of<T: Real>(
    query: &[T],
    keys: Sequence<'_, T>,
    first: usize,
    scoring: Scoring<T>,
    probabilities: &mut [T],
) {
    pattern(query, keys, first, scoring, probabilities);
}
}

dispatched! {
/// The weighted sum of values for one query that sees the positions `visible`, added to `out`.
pub(crate) fn attend<T: Real>(
    query: &[T],
    keys: Sequence<'_, T>,
    values: Sequence<'_, T>,
    visible: Range<usize>,
    scoring: Scoring<T>,
    scratch: &mut Vec<T>,
    out: &mut [T],
) {
    scratch.clear();
    scratch.resize(visible.len(), T::ZERO);
    pattern(query, keys, visible.start, scoring, scratch);
    for (position, &probability) in visible.zip(scratch.iter()) {
        add_scaled(out, probability, values.row(position));
    }
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

dispatched! {
/// Pulls the gradient of one query's result back to the query, the keys and the values. Gradients of the
/// shared prefix are constants' and dropped.
pub(crate) fn attend_backward<T: Real>(
    query: &[T],
    keys: Sequence<'_, T>,
    values: Sequence<'_, T>,
    visible: Range<usize>,
    scoring: Scoring<T>,
    scratch: &mut Vec<T>,
    gradient: &[T],
    into: &mut HeadGradients<'_, T>,
) {
    scratch.clear();
    scratch.resize(2 * visible.len(), T::ZERO);
    let (probabilities, upstream) = scratch.split_at_mut(visible.len());
    pattern(query, keys, visible.start, scoring, probabilities);
    let mut mean = T::ZERO;
    for (index, position) in visible.clone().enumerate() {
        upstream[index] = dot(gradient, values.row(position));
        mean += probabilities[index] * upstream[index];
    }
    let width = query.len();
    for (index, position) in visible.enumerate() {
        let slope = match scoring.soft_cap {
            None => scoring.scale,
            Some(_) => scoring.slope(dot(query, keys.row(position))),
        };
        let score = probabilities[index] * (upstream[index] - mean) * slope;
        add_scaled(into.query, score, keys.row(position));
        if position >= keys.prefix_len {
            let row = (position - keys.prefix_len) * width;
            add_scaled(&mut into.keys[row..row + width], score, query);
            add_scaled(
                &mut into.values[row..row + width],
                probabilities[index],
                gradient,
            );
        }
    }
}
}
