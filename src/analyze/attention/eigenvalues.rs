//! Whether a head copies, by the eigenvalues of its circuit from tokens to logits.

use nalgebra::{DMatrix, Schur};

/// Steps after which a decomposition is given up.
const MOST_STEPS: usize = 10_000;

/// The sum of a matrix's eigenvalues as a share of the sum of their sizes, `[size, size]`; none where these are all zero, or not
/// found.
///
/// 1 where every eigenvalue is positive: each direction of tokens raises its own logits. Reference: Elhage et al. 2021, "A
/// mathematical framework for transformer circuits".
pub(super) fn positive_share(matrix: &[f64], size: usize) -> Option<f64> {
    if matrix.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let matrix = DMatrix::from_row_slice(size, size, matrix);
    let found = Schur::try_new(matrix, f64::EPSILON, MOST_STEPS)?.complex_eigenvalues();
    let sizes: f64 = found.iter().map(|value| value.re.hypot(value.im)).sum();
    let sum: f64 = found.iter().map(|value| value.re).sum();
    (sizes > 0.0).then(|| (sum / sizes).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_known_matrices_are_weighed() {
        // 3 and -1; a rotation with i and -i, and 2.
        let mixed = positive_share(&[1.0, 2.0, 2.0, 1.0], 2).expect("eigenvalues");
        assert!((mixed - 0.5).abs() < 1e-12);
        let turned = [0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 2.0];
        let turned = positive_share(&turned, 3).expect("eigenvalues");
        assert!((turned - 0.5).abs() < 1e-12);
        assert_eq!(positive_share(&[0.0; 4], 2), None);
        assert_eq!(positive_share(&[f64::NAN; 4], 2), None);
    }
}
