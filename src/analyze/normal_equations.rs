//! The normal equations of least squares, solved by a Cholesky factor.

use nalgebra::{Cholesky, DMatrix, Dyn};

/// A symmetric positive definite matrix, factored once for any number of right sides.
pub(super) struct NormalEquations(Cholesky<f64, Dyn>);

impl NormalEquations {
    /// Factors a matrix `[size, size]`; none where it is not positive definite.
    ///
    /// # Panics
    /// When it is not square.
    pub(super) fn new(matrix: &[f64], size: usize) -> Option<Self> {
        let found = Cholesky::new(DMatrix::from_row_slice(size, size, matrix))?;
        let diagonal = found.l_dirty().diagonal();
        let whole = diagonal.iter().all(|value| value.is_finite());
        whole.then_some(Self(found))
    }

    /// What times the matrix gives the right side, `[size, columns]`.
    ///
    /// # Panics
    /// When the right side has another size.
    pub(super) fn solve(&self, right: &[f64], columns: usize) -> Vec<f64> {
        let size = self.0.l_dirty().nrows();
        let right = DMatrix::from_row_slice(size, columns, right);
        // It is stored by columns.
        self.0.solve(&right).transpose().as_slice().to_vec()
    }

    /// The inverse of the matrix, `[size, size]`.
    pub(super) fn inverse(&self) -> Vec<f64> {
        // Symmetric, so rows are columns.
        self.0.inverse().as_slice().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_gives_the_right_side() {
        let matrix = [4.0, 1.0, -0.5, 1.0, 3.0, 0.25, -0.5, 0.25, 2.0];
        let right = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let solved = NormalEquations::new(&matrix, 3)
            .expect("a factor")
            .solve(&right, 2);
        let inverse = NormalEquations::new(&matrix, 3)
            .expect("a factor")
            .inverse();
        for row in 0..3 {
            for column in 0..2 {
                let sum: f64 = (0..3)
                    .map(|at| matrix[row * 3 + at] * solved[at * 2 + column])
                    .sum();
                assert!((sum - right[row * 2 + column]).abs() < 1e-12);
                let by_inverse: f64 = (0..3)
                    .map(|at| inverse[row * 3 + at] * right[at * 2 + column])
                    .sum();
                assert!((by_inverse - solved[row * 2 + column]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        for matrix in [
            [1.0, 2.0, 2.0, 1.0],
            [0.0; 4],
            [1.0, 0.0, 0.0, f64::NAN],
            [f64::INFINITY, 0.0, 0.0, 1.0],
        ] {
            assert!(NormalEquations::new(&matrix, 2).is_none(), "{matrix:?}");
        }
    }
}
