//! Element-wise operations on blocks of rows.

use crate::model::Real;

/// `target += source`.
pub(crate) fn add<T: Real>(target: &mut [T], source: &[T]) {
    debug_assert_eq!(target.len(), source.len());
    for (target, &source) in target.iter_mut().zip(source) {
        *target += source;
    }
}

/// `target -= source`.
pub(crate) fn subtract<T: Real>(target: &mut [T], source: &[T]) {
    debug_assert_eq!(target.len(), source.len());
    for (target, &source) in target.iter_mut().zip(source) {
        *target -= source;
    }
}

/// `a - b`.
pub(crate) fn difference<T: Real>(a: &[T], b: &[T]) -> Vec<T> {
    debug_assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| a - b).collect()
}

/// Adds one row to every row.
pub(crate) fn add_row<T: Real>(target: &mut [T], row: &[T]) {
    for target in target.chunks_exact_mut(row.len()) {
        add(target, row);
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
    data.chunks_exact(width)
        .flat_map(|row| row[from..to].iter().copied())
        .collect()
}

/// Dot product, summed in eight lanes so that it vectorises the same way everywhere.
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
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

/// `target += factor * source`.
pub(crate) fn add_scaled<T: Real>(target: &mut [T], factor: T, source: &[T]) {
    debug_assert_eq!(target.len(), source.len());
    for (target, &source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}
