//! Affine maps between layers, fitted by ridge regression.

use crate::analyze::AffineMap;
use crate::analyze::normal_equations::NormalEquations;
use crate::engine::Dense;
use crate::error::{Error, Result};

/// The rows that maps are fitted from, with what all fits from them share.
pub(super) struct Regression {
    width: usize,
    mean: Vec<f64>,
    /// Rows minus their mean, `[rows, width]`.
    centred: Vec<f64>,
    /// Inverse of the normal equations' matrix, `[width, width]`: many targets are fitted from the same rows.
    inverse: Vec<f64>,
}

impl Regression {
    /// Rows `[rows, width]`; `penalty` is in units of the mean of the normal equations' diagonal.
    ///
    /// # Errors
    /// When the rows are all the same.
    pub(super) fn new(rows: &[f64], width: usize, penalty: f64) -> Result<Self> {
        let (mean, centred) = centred(rows, width);
        let matrix = Dense::new(&centred, width);
        let mut gram = matrix.transposed().times(matrix);
        let trace: f64 = gram.iter().step_by(width + 1).sum();
        for index in 0..width {
            gram[index * (width + 1)] += penalty * trace / width as f64;
        }
        let equations = NormalEquations::new(&gram, width).ok_or_else(|| {
            let problem = "the stream does not vary on it, so no map between layers can be fitted";
            Error::data("the text of `mapping`", problem)
        })?;
        Ok(Self {
            width,
            mean,
            centred,
            inverse: equations.inverse(),
        })
    }

    /// The map from these rows to others that makes the sum of squared errors and the penalty on its weights least; its bias
    /// has none.
    ///
    /// # Panics
    /// When there are not as many other rows, of the same width.
    pub(super) fn to(&self, rows: &[f64]) -> AffineMap<f64> {
        let width = self.width;
        assert_eq!(rows.len(), self.centred.len(), "rows of a regression");
        let (mean, target) = centred(rows, width);
        let products = Dense::new(&self.centred, width)
            .transposed()
            .times(Dense::new(&target, width));
        let weight = Dense::new(&self.inverse, width).times(Dense::new(&products, width));
        let moved = Dense::new(&self.mean, width).times(Dense::new(&weight, width));
        let bias = mean.iter().zip(moved).map(|(to, from)| to - from);
        AffineMap::from_whole(weight, bias.collect())
    }
}

/// The mean of rows, and the rows without it.
fn centred(rows: &[f64], width: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (rows.len() / width) as f64;
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value;
        }
    }
    for sum in &mut mean {
        *sum /= count;
    }
    let without = |row: &[f64]| -> Vec<f64> {
        row.iter()
            .zip(&mean)
            .map(|(value, mean)| value - mean)
            .collect()
    };
    let centred = rows.chunks_exact(width).flat_map(without).collect();
    (mean, centred)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count)
            .map(|index| (index as f64 * 1.3 + seed).sin() * (1.0 + (index as f64 * 0.37).cos()))
            .collect()
    }

    #[test]
    fn an_affine_relation_is_found() {
        let (rows, width) = (60, 5);
        let from = numbers(rows * width, 0.3);
        let expected = AffineMap {
            weight: numbers(width * width, 2.0),
            bias: numbers(width, 4.0),
        };
        let to = expected.apply(&from);
        let found = Regression::new(&from, width, 1e-12).expect("a fit").to(&to);
        for (found, expected) in found.weight.iter().zip(&expected.weight) {
            assert!((found - expected).abs() < 1e-7, "{found}, not {expected}");
        }
        for (found, expected) in found.bias.iter().zip(&expected.bias) {
            assert!((found - expected).abs() < 1e-7, "{found}, not {expected}");
        }
    }

    /// At the minimum, the loss rises whichever number of the map is moved.
    #[test]
    fn the_penalised_loss_is_least() {
        let (rows, width, penalty) = (20, 3, 0.2);
        let (from, to) = (numbers(rows * width, 0.1), numbers(rows * width, 9.0));
        let (_, without_mean) = centred(&from, width);
        let trace: f64 = without_mean.iter().map(|value| value * value).sum();
        let found = Regression::new(&from, width, penalty)
            .expect("a fit")
            .to(&to);
        let loss = |map: &AffineMap<f64>| {
            let errors = map.apply(&from).into_iter().zip(&to);
            let errors: f64 = errors.map(|(a, b)| (a - b) * (a - b)).sum();
            let whole = map.weight.iter().enumerate();
            let size: f64 = whole
                .map(|(at, value)| value + f64::from(at % (width + 1) == 0))
                .map(|value| value * value)
                .sum();
            errors + penalty * trace / width as f64 * size
        };
        let least = loss(&found);
        for step in [1e-4, -1e-4] {
            for index in 0..found.weight.len() {
                let mut other = found.clone();
                other.weight[index] += step;
                assert!(loss(&other) > least);
            }
            for index in 0..width {
                let mut other = found.clone();
                other.bias[index] += step;
                assert!(loss(&other) > least);
            }
        }
    }

    #[test]
    fn rows_that_are_all_the_same_are_refused() {
        assert!(Regression::new(&[1.0, 2.0, 1.0, 2.0], 2, 0.1).is_err());
    }
}
