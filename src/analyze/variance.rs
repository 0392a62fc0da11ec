//! The share of the variance of some rows that their reconstructions explain.

use crate::model::Real;

/// Share of the rows' squared norms below which their variance is rounding.
const ROUNDING: f64 = 1e-10;

/// Sums over rows.
#[derive(Debug, Clone)]
pub(super) struct Variance {
    rows: usize,
    /// The rows.
    sums: Vec<f64>,
    /// Their squared norms.
    squares: f64,
    /// Squared distances of the reconstructions.
    error: f64,
}

impl Variance {
    /// Of no rows yet.
    pub(super) fn new(width: usize) -> Self {
        Self {
            rows: 0,
            sums: vec![0.0; width],
            squares: 0.0,
            error: 0.0,
        }
    }

    /// Adds rows and their reconstructions, `[rows, width]`.
    pub(super) fn add<T: Real>(&mut self, inputs: &[T], outputs: &[T]) {
        let width = self.sums.len();
        for (input, output) in inputs.chunks_exact(width).zip(outputs.chunks_exact(width)) {
            self.add_row(input);
            for (x, y) in input.iter().zip(output) {
                let left = x.to_f64() - y.to_f64();
                self.error += left * left;
            }
        }
    }

    /// Adds a row and what its reconstruction leaves of it.
    pub(super) fn add_left<T: Real>(&mut self, input: &[T], left: &[T]) {
        self.add_row(input);
        for left in left {
            self.error += left.to_f64() * left.to_f64();
        }
    }

    fn add_row<T: Real>(&mut self, input: &[T]) {
        self.rows += 1;
        for (sum, x) in self.sums.iter_mut().zip(input) {
            let x = x.to_f64();
            *sum += x;
            self.squares += x * x;
        }
    }

    /// The rows of both.
    pub(super) fn with(&self, other: &Self) -> Self {
        let sums = self.sums.iter().zip(&other.sums);
        Self {
            rows: self.rows + other.rows,
            sums: sums.map(|(one, other)| one + other).collect(),
            squares: self.squares + other.squares,
            error: self.error + other.error,
        }
    }

    /// 1 - squared distance of the reconstructions / squared distance of the mean; none where the rows are equal but for
    /// rounding.
    pub(super) fn explained(&self) -> Option<f64> {
        let rows = self.rows.max(1) as f64;
        let of_mean: f64 = self.sums.iter().map(|sum| sum * sum / rows).sum();
        let variance = self.squares - of_mean;
        (variance > ROUNDING * self.squares).then(|| 1.0 - self.error / variance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconstruction_is_judged_against_the_mean() {
        let rows = [1.0, 5.0, 3.0, 5.0, 1.0, 7.0, 3.0, 7.0];
        let mut variance = Variance::new(2);
        variance.add(&rows, &rows);
        assert_eq!(variance.explained(), Some(1.0));
        let mut variance = Variance::new(2);
        variance.add(&rows, &[2.0, 6.0, 2.0, 6.0, 2.0, 6.0, 2.0, 6.0]);
        assert_eq!(variance.explained(), Some(0.0));
        let mut other = Variance::new(2);
        for row in rows.chunks_exact(2) {
            other.add_left(row, &[1.0, 1.0]);
        }
        assert_eq!(other.explained(), Some(0.0));
        assert_eq!(variance.with(&other).explained(), Some(0.0));
    }

    /// The squared distance of equal rows from their mean is rounding, of either sign.
    #[test]
    fn of_equal_rows_nothing_is_explained() {
        for count in 1..60 {
            let row: [f32; 3] = [0.1, 123.456, -7.3e-3];
            let mut variance = Variance::new(3);
            variance.add(&row.repeat(count), &vec![0.0; 3 * count]);
            assert_eq!(variance.explained(), None, "{count} rows");
        }
        assert_eq!(Variance::new(3).explained(), None);
        let mut zeros = Variance::new(2);
        zeros.add(&[0.0; 8], &[0.0; 8]);
        assert_eq!(zeros.explained(), None);
    }
}
