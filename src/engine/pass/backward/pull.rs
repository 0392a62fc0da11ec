//! Gradients through maps, and rows restored at their places.

use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::{matmul, rows};
use crate::model::{Linear, Real};

/// Pulls a gradient at all outputs of a map back to its inputs.
pub(super) fn pull_outputs<T: Real>(map: &Linear<T>, gradient: &[T]) -> Vec<T> {
    let rows = gradient.len() / map.outputs;
    let lhs = Matrix::rows(gradient, rows, map.outputs);
    matmul::new_product(lhs, map.matrix().transpose(), None)
}

/// Pulls a gradient at the outputs `from..to` back to the inputs, on this thread alone.
pub(super) fn pull_range<T: Real>(
    map: &Linear<T>,
    gradient: &[T],
    from: usize,
    to: usize,
) -> Vec<T> {
    let rows = gradient.len() / (to - from);
    let rhs = map.matrix().columns(from, to).transpose();
    let lhs = Matrix::rows(gradient, rows, to - from);
    matmul::new_product_on_one_thread(lhs, rhs)
}

/// Rows of a small matrix at their place in a larger one of zeros.
pub(super) fn scatter<T: Real>(data: &[T], width: usize, indices: &[usize], rows: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; rows * width];
    add_scattered(&mut out, data, width, indices);
    out
}

pub(super) fn add_scattered<T: Real>(
    target: &mut [T],
    data: &[T],
    width: usize,
    indices: &[usize],
) {
    for (row, &index) in data.chunks_exact(width).zip(indices) {
        rows::add(&mut target[index * width..(index + 1) * width], row);
    }
}
