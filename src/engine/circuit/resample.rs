//! Resample ablation: the clean run of another example takes the place of removed contributions.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::Resample;
use crate::engine::circuit::ablated::Ablated;
use crate::engine::pass::forward::check_finite;
use crate::engine::pass::layout::Layout;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::model::Real;
use crate::task::Example;

/// The examples of the discovery split, from which every example draws its donor.
#[derive(Debug, Clone)]
pub struct Donors {
    examples: Vec<Example>,
    by_length: BTreeMap<usize, Vec<usize>>,
    seed: u64,
}

impl Donors {
    /// The donors that resample ablation draws from `examples`.
    pub fn new(examples: &[Example], resample: Resample) -> Self {
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, example) in examples.iter().enumerate() {
            by_length
                .entry(example.clean.len())
                .or_default()
                .push(index);
        }
        Self {
            examples: examples.to_vec(),
            by_length,
            seed: resample.seed,
        }
    }

    /// The example whose clean run replaces what is removed from `example`: one of equal length with another clean
    /// prompt, all equally likely. It is the same for all writers, and depends on the seed, the example and the
    /// discovery split, not on the examples beside it. `None` when there is no such example.
    pub fn of(&self, example: &Example) -> Option<&Example> {
        let fitting = self.by_length.get(&example.clean.len())?;
        let other = |index: usize| self.examples[index].clean != example.clean;
        if !fitting.iter().any(|&index| other(index)) {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"resample");
        hasher.update(&self.seed.to_le_bytes());
        for token in &example.clean {
            hasher.update(&token.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        loop {
            let index = fitting[rng.random_range(0..fitting.len())];
            if other(index) {
                return Some(&self.examples[index]);
            }
        }
    }
}

impl<T: Real> Transformer<'_, T> {
    /// Ablation by the clean runs of the examples' donors, on a layout of whole prompts.
    ///
    /// # Errors
    /// When an example has no donor, or a donor's run is not finite.
    pub(crate) fn ablated_by_donors(
        &self,
        layout: &Layout,
        examples: &[Example],
        donors: &Donors,
    ) -> Result<Ablated<T>> {
        let mut tokens = Vec::with_capacity(layout.rows());
        for example in examples {
            let donor = donors.of(example).ok_or_else(|| {
                let problem = format!(
                    "no other discovery example has the {} tokens of {:?}; use more pairs, or ablation: Mean",
                    example.clean.len(),
                    example.clean
                );
                Error::data("ablation Resample", problem)
            })?;
            tokens.extend_from_slice(&donor.clean);
        }
        let embedded = self.embed(tokens);
        let run = self.forward(layout, &embedded, &Prefix::default(), false);
        check_finite(&run)?;
        Ok(self.ablated_by_run(layout, &embedded, run))
    }
}
