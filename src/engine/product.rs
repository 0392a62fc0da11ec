//! One large matrix product as the engine makes them, to be timed.

use super::kernels::matmul::{Matrix, product};

/// Two matrices and room for their product.
pub struct MatrixProduct {
    rows: usize,
    inner: usize,
    columns: usize,
    left: Vec<f32>,
    right: Vec<f32>,
    out: Vec<f32>,
}

impl MatrixProduct {
    /// Matrices of some numbers, `[rows, inner]` and `[inner, columns]`.
    pub fn new(rows: usize, inner: usize, columns: usize) -> Self {
        let numbers = |count| (0..count).map(|index| (index % 7) as f32 - 3.0).collect();
        Self {
            rows,
            inner,
            columns,
            left: numbers(rows * inner),
            right: numbers(inner * columns),
            out: vec![0.0; rows * columns],
        }
    }

    /// Multiplies them.
    pub fn run(&mut self) {
        let left = Matrix::rows(&self.left, self.rows, self.inner);
        let right = Matrix::rows(&self.right, self.inner, self.columns);
        product(left, right, &mut self.out, self.columns, false);
    }
}
