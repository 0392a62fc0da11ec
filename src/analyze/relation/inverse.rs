//! Inverses of a map by its largest singular values.

use nalgebra::DMatrix;

use crate::error::{Error, Result};

/// The singular vectors of a square map, from which inverses of any rank are made.
#[derive(Debug, Clone)]
pub struct LowRankInverse {
    /// Singular values that are not zero in double precision, descending.
    values: Vec<f64>,
    /// A left singular vector for each, `[values, width]`.
    left: Vec<f64>,
    /// A right singular vector for each, `[values, width]`.
    right: Vec<f64>,
    width: usize,
}

impl LowRankInverse {
    /// Of the map `weight`, `[width, width]` row-major.
    ///
    /// # Errors
    /// When the numbers have no singular values, because one of them is not finite.
    pub fn new(weight: &[f64], width: usize) -> Result<Self> {
        if weight.iter().any(|value| !value.is_finite()) {
            return Err(not_decomposed("a number of it is not finite"));
        }
        let matrix = DMatrix::from_row_slice(width, width, weight);
        // Each singular value takes a few steps.
        let most_steps = 100 * width;
        let found = matrix
            .clone()
            .try_svd(true, false, f64::EPSILON, most_steps);
        let found = found.ok_or_else(|| not_decomposed("its singular values do not converge"))?;
        let Some(left) = found.u else {
            return Err(Error::Bug("singular values without vectors".into()));
        };
        let values: Vec<f64> = found.singular_values.iter().copied().collect();
        // What is less than the error of the largest is nothing.
        let least = values
            .first()
            .map_or(0.0, |most| most * width as f64 * f64::EPSILON);
        let rank = values.iter().take_while(|value| **value > least).count();
        let left = left.columns(0, rank).into_owned();
        // `W^T u / s`: rotating right vectors along with the left ones takes most of the time of a decomposition, and `v` is
        // known to no more digits either.
        let mut right = matrix.tr_mul(&left);
        for (mut column, value) in right.column_iter_mut().zip(&values) {
            column /= *value;
        }
        Ok(Self {
            left: left.as_slice().to_vec(),
            right: right.as_slice().to_vec(),
            values: values[..rank].to_vec(),
            width,
        })
    }

    /// The rank of the map.
    pub fn rank(&self) -> usize {
        self.values.len()
    }

    /// `W^+ change` with the inverse cut to each of some ranks, ascending.
    pub fn times(&self, change: &[f64], ranks: &[usize]) -> Vec<Vec<f64>> {
        let mut total = vec![0.0; self.width];
        let mut done = 0;
        let mut found = Vec::with_capacity(ranks.len());
        for &rank in ranks {
            for index in done..rank.min(self.values.len()) {
                let of = index * self.width..(index + 1) * self.width;
                let left = &self.left[of.clone()];
                let along: f64 = left.iter().zip(change).map(|(a, b)| a * b).sum();
                let along = along / self.values[index];
                for (total, value) in total.iter_mut().zip(&self.right[of]) {
                    *total += along * value;
                }
            }
            done = done.max(rank.min(self.values.len()));
            found.push(total.clone());
        }
        found
    }
}

fn not_decomposed(problem: &str) -> Error {
    Error::NotFinite {
        node: "the map of the relation".into(),
        problem: format!("{problem}; try precision: F64"),
    }
}
