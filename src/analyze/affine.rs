//! Affine maps of the residual stream.

use nalgebra::DMatrix;

use crate::engine::Dense;
use crate::model::Real;

/// `x -> x + x W + b`. With zeros it changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineMap<T> {
    /// `W`, `[d_model, d_model]`, from rows to columns.
    pub weight: Vec<T>,
    /// `b`, `[d_model]`.
    pub bias: Vec<T>,
}

impl<T: Real> AffineMap<T> {
    /// What it makes of some streams, `[rows, d_model]`.
    ///
    /// # Panics
    /// When the rows have another length than the map's.
    pub fn apply(&self, streams: &[T]) -> Vec<T> {
        let width = self.bias.len();
        assert_eq!(streams.len() % width, 0, "rows of a map");
        let mut out = Dense::new(streams, width).times(Dense::new(&self.weight, width));
        for (out, x) in out.chunks_exact_mut(width).zip(streams.chunks_exact(width)) {
            for ((out, &x), &bias) in out.iter_mut().zip(x).zip(&self.bias) {
                *out += x + bias;
            }
        }
        out
    }

    /// The same map in another precision.
    pub fn cast<U: Real>(&self) -> AffineMap<U> {
        let cast = |values: &[T]| {
            values
                .iter()
                .map(|value| U::from_f64(value.to_f64()))
                .collect()
        };
        AffineMap {
            weight: cast(&self.weight),
            bias: cast(&self.bias),
        }
    }
}

impl AffineMap<f64> {
    /// The map that changes nothing.
    pub(super) fn identity(width: usize) -> Self {
        Self {
            weight: vec![0.0; width * width],
            bias: vec![0.0; width],
        }
    }

    /// The map `x -> x M + b`.
    pub(super) fn from_whole(mut matrix: Vec<f64>, bias: Vec<f64>) -> Self {
        for value in matrix.iter_mut().step_by(bias.len() + 1) {
            *value -= 1.0;
        }
        Self {
            weight: matrix,
            bias,
        }
    }

    /// `W + 1`.
    fn whole(&self) -> Vec<f64> {
        let mut matrix = self.weight.clone();
        for value in matrix.iter_mut().step_by(self.bias.len() + 1) {
            *value += 1.0;
        }
        matrix
    }

    /// The map that takes back what this one does; none where several streams become the same.
    ///
    /// # Complexity
    /// One inverse of `d_model` columns.
    pub fn inverse(&self) -> Option<Self> {
        let width = self.bias.len();
        // Read by columns it is the transposed matrix, and so is what is written.
        let matrix = DMatrix::from_vec(width, width, self.whole()).try_inverse()?;
        let inverse = matrix.as_slice().to_vec();
        let moved = Dense::new(&self.bias, width).times(Dense::new(&inverse, width));
        let bias: Vec<f64> = moved.into_iter().map(|value| -value).collect();
        let finite = inverse.iter().chain(&bias).all(|value| value.is_finite());
        finite.then(|| Self::from_whole(inverse, bias))
    }

    /// First this map, then another.
    ///
    /// # Complexity
    /// One product of `d_model` columns.
    pub fn then(&self, next: &Self) -> Self {
        let width = self.bias.len();
        let next_whole = next.whole();
        let matrix = Dense::new(&self.whole(), width).times(Dense::new(&next_whole, width));
        Self::from_whole(matrix, next.apply(&self.bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(seed: f64) -> AffineMap<f64> {
        let numbers = |count: usize, seed: f64| -> Vec<f64> {
            let number = |index: usize| (index as f64 * 1.7 + seed).sin();
            (0..count).map(number).collect()
        };
        AffineMap {
            weight: numbers(16, seed),
            bias: numbers(4, seed + 5.0),
        }
    }

    #[test]
    fn maps_after_one_another_and_back() {
        let (one, other) = (map(0.4), map(2.0));
        let streams = [1.0, -2.0, 0.5, 3.0, 0.1, 0.2, -0.3, 4.0];
        let both = one.then(&other).apply(&streams);
        for (both, step) in both.iter().zip(other.apply(&one.apply(&streams))) {
            assert!((both - step).abs() < 1e-12);
        }
        let back = one
            .inverse()
            .expect("an inverse")
            .apply(&one.apply(&streams));
        for (back, value) in back.iter().zip(streams) {
            assert!((back - value).abs() < 1e-10);
        }
        assert_eq!(AffineMap::identity(4).apply(&streams), streams);
        let whole = AffineMap::from_whole(one.whole(), one.bias.clone());
        for (again, weight) in whole.weight.iter().zip(&one.weight) {
            assert!((again - weight).abs() < 1e-12);
        }
    }

    #[test]
    fn a_map_onto_fewer_directions_has_no_inverse() {
        let onto_nothing = AffineMap::from_whole(vec![0.0; 9], vec![1.0; 3]);
        assert_eq!(onto_nothing.inverse(), None);
    }
}
