//! Rotary position embedding in Hugging Face's rotate-half layout.

use std::sync::OnceLock;

use rayon::prelude::*;

use crate::model::{Real, RotaryScaling};

/// Positions whose angles are computed at once.
const BLOCK: usize = 512;

/// Numbers that one thread rotates at a time.
const PER_TASK: usize = 1 << 14;

/// Cosines and sines of every position, computed in f64 when a position is first needed.
pub(crate) struct RopeTable<T> {
    /// Leading dimensions of a head that are rotated.
    dims: usize,
    /// Angle per position of each pair.
    frequencies: Vec<f64>,
    /// Factor of cosines and sines.
    magnitude: f64,
    /// Blocks of positions, `[BLOCK, dims / 2]` cosines and as many sines.
    blocks: Vec<OnceLock<(Vec<T>, Vec<T>)>>,
}

impl<T: Real> RopeTable<T> {
    /// The table for positions `0..positions`.
    pub(crate) fn new(
        theta: f64,
        dims: usize,
        scaling: Option<&RotaryScaling>,
        positions: usize,
    ) -> Self {
        let frequency = |pair: usize| {
            let factor = scaling.map_or(1.0, |scaling| scaling.factors[pair]);
            theta.powf(-2.0 * pair as f64 / dims as f64) / factor
        };
        Self {
            dims,
            frequencies: (0..dims / 2).map(frequency).collect(),
            magnitude: scaling.map_or(1.0, |scaling| scaling.magnitude),
            blocks: (0..positions.div_ceil(BLOCK))
                .map(|_| OnceLock::new())
                .collect(),
        }
    }

    /// Cosines and sines of a position, `[dims / 2]` each.
    fn row(&self, position: usize) -> (&[T], &[T]) {
        let block = position / BLOCK;
        let (cos, sin) = self.blocks[block].get_or_init(|| {
            let angles = (block * BLOCK..(block + 1) * BLOCK).flat_map(|position| {
                let at = position as f64;
                self.frequencies.iter().map(move |frequency| at * frequency)
            });
            let scaled = |value: f64| T::from_f64(value * self.magnitude);
            angles
                .map(|angle| (scaled(angle.cos()), scaled(angle.sin())))
                .unzip()
        });
        let half = self.frequencies.len();
        let range = position % BLOCK * half..(position % BLOCK + 1) * half;
        (&cos[range.clone()], &sin[range])
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
        let rotate = |(row, &position): (&mut [T], &usize)| {
            let (cos, sin) = self.row(position);
            for head in row.chunks_exact_mut(d_head) {
                let (first, rest) = head.split_at_mut(half);
                for pair in 0..half {
                    let (a, b) = (first[pair], rest[pair]);
                    let sin = sign * sin[pair];
                    first[pair] = a * cos[pair] - b * sin;
                    rest[pair] = b * cos[pair] + a * sin;
                }
            }
        };
        let rows = data.par_chunks_exact_mut(width).zip(positions);
        rows.with_min_len((PER_TASK / width).max(1))
            .for_each(rotate);
    }
}
