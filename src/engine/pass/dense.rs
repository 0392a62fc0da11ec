//! Products of plain matrices, for work beside the model.

use crate::engine::kernels::matmul::new_product;
use crate::engine::kernels::matrix::Matrix;
use crate::model::Real;

/// A row-major matrix, as it is or transposed.
#[derive(Clone, Copy)]
pub struct Dense<'a, T>(Matrix<'a, T>);

impl<'a, T: Real> Dense<'a, T> {
    /// Rows of `columns` numbers.
    pub fn new(data: &'a [T], columns: usize) -> Self {
        Self(Matrix::rows(data, data.len() / columns.max(1), columns))
    }

    /// The transpose.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self(self.0.transpose())
    }

    /// The product with another matrix, row-major.
    ///
    /// # Panics
    /// When the sizes do not fit.
    pub fn times(self, other: Dense<'_, T>) -> Vec<T> {
        new_product(self.0, other.0, None)
    }
}
