//! Element-wise operations on blocks of rows.

use rayon::prelude::*;

use super::dispatch::dispatched;
use crate::model::Real;

/// Numbers that one thread takes at a time, and from twice of which on several threads are worth it.
const PER_TASK: usize = 1 << 14;

dispatched! {
    fn add_chunk<T: Real>(target: &mut [T], source: &[T]) {
        for (target, &source) in target.iter_mut().zip(source) {
            *target += source;
        }
    }
}

dispatched! {
    fn subtract_chunk<T: Real>(target: &mut [T], source: &[T]) {
        for (target, &source) in target.iter_mut().zip(source) {
            *target -= source;
        }
    }
}

/// `target += source`.
pub(crate) fn add<T: Real>(target: &mut [T], source: &[T]) {
    in_parts(target, source, add_chunk);
}

/// `target -= source`.
pub(crate) fn subtract<T: Real>(target: &mut [T], source: &[T]) {
    in_parts(target, source, subtract_chunk);
}

fn in_parts<T: Real>(target: &mut [T], source: &[T], apply: fn(&mut [T], &[T])) {
    assert_eq!(target.len(), source.len(), "lengths of rows");
    if target.len() < 2 * PER_TASK {
        return apply(target, source);
    }
    target
        .par_chunks_mut(PER_TASK)
        .zip(source.par_chunks(PER_TASK))
        .for_each(|(target, source)| apply(target, source));
}

/// `a - b`.
pub(crate) fn difference<T: Real>(a: &[T], b: &[T]) -> Vec<T> {
    let mut out = a.to_vec();
    subtract(&mut out, b);
    out
}

/// Adds one row to every row.
pub(crate) fn add_row<T: Real>(target: &mut [T], row: &[T]) {
    for target in target.chunks_exact_mut(row.len()) {
        add_chunk(target, row);
    }
}

/// The rows `indices` of a matrix of `width` columns.
pub(crate) fn gather<T: Real>(data: &[T], width: usize, indices: &[usize]) -> Vec<T> {
    let mut out = Vec::with_capacity(indices.len() * width);
    for &index in indices {
        out.extend_from_slice(&data[index * width..(index + 1) * width]);
    }
    out
}

/// Columns `from..to` of a matrix of `width` columns.
pub(crate) fn columns<T: Real>(data: &[T], width: usize, from: usize, to: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(data.len() / width.max(1) * (to - from));
    for row in data.chunks_exact(width) {
        out.extend_from_slice(&row[from..to]);
    }
    out
}

dispatched! {
    /// Dot product, summed in eight lanes so that it vectorises the same way everywhere.
    pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
        dot_lanes(a, b)
    }
}

/// [`dot`], to be inlined into other kernels.
#[inline(always)]
pub(super) fn dot_lanes<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: T = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(&a, &b)| a * b)
        .sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.into_iter().sum::<T>() + rest
}

/// `target += factor * source`, to be inlined into other kernels.
#[inline(always)]
pub(super) fn add_scaled_lanes<T: Real>(target: &mut [T], factor: T, source: &[T]) {
    for (target, &source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

dispatched! {
    /// `target += factor * source`.
    pub(crate) fn add_scaled<T: Real>(target: &mut [T], factor: T, source: &[T]) {
        add_scaled_lanes(target, factor, source);
    }
}
