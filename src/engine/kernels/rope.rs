//! Rotary position embedding in Hugging Face's rotate-half layout.

use crate::model::Real;

/// Cosines and sines of every position, computed in f64.
#[derive(Debug, Clone)]
pub(crate) struct RopeTable<T> {
    /// Leading dimensions of a head that are rotated.
    dims: usize,
    /// `[positions, dims / 2]`.
    cos: Vec<T>,
    sin: Vec<T>,
}

impl<T: Real> RopeTable<T> {
    /// The table for positions `0..positions`.
    pub(crate) fn new(theta: f64, dims: usize, positions: usize) -> Self {
        let half = dims / 2;
        let angles: Vec<f64> = (0..positions)
            .flat_map(|position| {
                (0..half)
                    .map(move |pair| position as f64 * theta.powf(-2.0 * pair as f64 / dims as f64))
            })
            .collect();
        Self {
            dims,
            cos: angles
                .iter()
                .map(|angle| T::from_f64(angle.cos()))
                .collect(),
            sin: angles
                .iter()
                .map(|angle| T::from_f64(angle.sin()))
                .collect(),
        }
    }

    /// Rotates every head of every row; `positions` has one entry per row.
    pub(crate) fn rotate(&self, data: &mut [T], d_head: usize, positions: &[usize]) {
        self.apply(data, d_head, positions, T::ONE);
    }

    /// Rotates back: the vector-Jacobian product of [`RopeTable::rotate`].
    pub(crate) fn rotate_back(&self, data: &mut [T], d_head: usize, positions: &[usize]) {
        self.apply(data, d_head, positions, -T::ONE);
    }

    fn apply(&self, data: &mut [T], d_head: usize, positions: &[usize], sign: T) {
        if positions.is_empty() {
            return;
        }
        let width = data.len() / positions.len();
        let half = self.dims / 2;
        for (row, &position) in data.chunks_exact_mut(width).zip(positions) {
            let cos = &self.cos[position * half..(position + 1) * half];
            let sin = &self.sin[position * half..(position + 1) * half];
            for head in row.chunks_exact_mut(d_head) {
                let (first, rest) = head.split_at_mut(half);
                for pair in 0..half {
                    let (a, b) = (first[pair], rest[pair]);
                    let sin = sign * sin[pair];
                    first[pair] = a * cos[pair] - b * sin;
                    rest[pair] = b * cos[pair] + a * sin;
                }
            }
        }
    }
}
