//! Seeded sampling: the same label and seed give the same rows, on every machine and in every version.

use std::collections::HashSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Example, LoadRequest};
use crate::error::{Error, Result};

/// A stream of random choices.
pub(super) struct Sampler(ChaCha8Rng);

impl Sampler {
    /// The stream of a label and a seed.
    pub(super) fn new(label: &str, seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(label.as_bytes());
        hasher.update(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// One of some items; there is at least one.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Different items of a list that is long enough, in random order.
    pub(super) fn pick_distinct<'a, T, const N: usize>(&mut self, items: &'a [T]) -> [&'a T; N] {
        let mut chosen = [0; N];
        for place in 0..N {
            loop {
                let index = self.below(items.len());
                if !chosen[..place].contains(&index) {
                    chosen[place] = index;
                    break;
                }
            }
        }
        chosen.map(|index| &items[index])
    }

    /// Puts items in random order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Draws until there are `pairs` examples with different clean prompts. `draw` gets the number of the example to
/// make and returns `None` for a draw that this tokenizer cannot use.
pub(super) fn distinct(
    request: &LoadRequest<'_>,
    (pairs, source): (usize, &str),
    mut draw: impl FnMut(usize) -> Result<Option<Example>>,
) -> Result<Vec<Example>> {
    let mut seen = HashSet::new();
    let mut examples = Vec::new();
    let mut misses = 0;
    while examples.len() < pairs {
        request.go_on()?;
        match draw(examples.len())? {
            Some(example) if seen.insert(example.clean.clone()) => {
                examples.push(example);
                misses = 0;
            }
            _ => misses += 1,
        }
        if misses > 2_000 {
            let found = examples.len();
            let problem = format!(
                "no more than {found} different prompts were found; lower `pairs` to {found}"
            );
            return Err(Error::data(source, problem));
        }
    }
    Ok(examples)
}
