//! Random tokens that are repeated, on which heads are scored.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sequences of random tokens, none twice in a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// Beginning-of-sequence tokens, then the random ones twice.
    pub sequences: Vec<Vec<u32>>,
    /// Beginning-of-sequence tokens of each.
    pub start: usize,
    /// Random tokens of each, before they are repeated.
    pub length: usize,
}

impl Repeated {
    /// Draws them among some tokens; fewer where there are not so many, or the model does not read so many.
    pub fn drawn(
        (among, n_ctx): (&[u32], usize),
        bos: &[u32],
        (sequences, length, seed): (usize, usize, u64),
    ) -> Self {
        let mut tokens: Vec<u32> = among
            .iter()
            .copied()
            .filter(|it| !bos.contains(it))
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        let longest = n_ctx.saturating_sub(bos.len()) / 2;
        let length = length.min(longest).min(tokens.len());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sequences = (0..sequences).map(|_| {
            for place in 0..length {
                let other = rng.random_range(place..tokens.len());
                tokens.swap(place, other);
            }
            [bos, &tokens[..length], &tokens[..length]].concat()
        });
        Self {
            sequences: sequences.collect(),
            start: bos.len(),
            length,
        }
    }

    /// The tokens of the first copy in the first sequence, at most so many, repeated.
    pub fn short(&self, length: usize) -> Vec<u32> {
        let length = length.min(self.length);
        let first = self.sequences.first().map_or(&[][..], Vec::as_slice);
        let (start, rest) = first.split_at(self.start.min(first.len()));
        [start, &rest[..length], &rest[..length]].concat()
    }
}
