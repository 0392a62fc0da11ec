//! Subjects whose objects the model knows, with what it says of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::analyze::Share;
use crate::engine::{Subjects, Transformer};
use crate::error::Result;
use crate::model::Real;
use crate::task::SubjectPrompt;

/// Subjects that were run.
pub(super) struct Known<'t, 'a, T> {
    pub transformer: &'t Transformer<'a, T>,
    pub subjects: Subjects<'t, 'a, T>,
    /// The most likely token behind each prompt.
    pub said: Vec<u32>,
}

/// A subject, and another one of which the model says something else; both by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    pub of: usize,
    pub with: usize,
}

impl<'t, 'a, T: Real> Known<'t, 'a, T> {
    pub(super) fn new(
        transformer: &'t Transformer<'a, T>,
        prompts: &'t [SubjectPrompt],
    ) -> Result<Self> {
        let subjects = Subjects::new(transformer, prompts)?;
        let finals: Vec<T> = (0..prompts.len())
            .flat_map(|prompt| subjects.object(prompt).iter().copied())
            .collect();
        Ok(Self {
            transformer,
            said: transformer.most_likely_tokens(&finals)?,
            subjects,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.said.len()
    }

    /// The streams after a layer at the subjects, `[subjects, d_model]`.
    pub(super) fn streams(&self, layer: usize) -> Vec<f64> {
        let streams = (0..self.len()).flat_map(|prompt| self.subjects.subject(layer, prompt));
        streams.map(|value| value.to_f64()).collect()
    }

    /// The streams at the ends of the prompts, `[subjects, d_model]`.
    pub(super) fn objects(&self) -> Vec<f64> {
        let streams = (0..self.len()).flat_map(|prompt| self.subjects.object(prompt));
        streams.map(|value| value.to_f64()).collect()
    }

    /// What streams decode to, and of how many subjects it is what the model says; several rounds of all subjects one after
    /// the other.
    pub(super) fn agreement(&self, finals: &[T]) -> Result<(Vec<u32>, Vec<Share>)> {
        let tokens = self.transformer.most_likely_tokens(finals)?;
        let rounds = tokens.chunks_exact(self.len().max(1));
        let shares =
            rounds.map(|round| Share::of(round.iter().zip(&self.said).map(|(a, b)| a == b)));
        let shares = shares.collect();
        Ok((tokens, shares))
    }

    /// For each subject another one, drawn by lot among those of which the model says something else.
    pub(super) fn exchanges(&self, seed: u64) -> Vec<Exchange> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut found = Vec::new();
        for of in 0..self.len() {
            let others = (0..self.len()).filter(|&other| self.said[other] != self.said[of]);
            let others: Vec<usize> = others.collect();
            if !others.is_empty() {
                let with = others[rng.random_range(0..others.len())];
                found.push(Exchange { of, with });
            }
        }
        found
    }

    /// What the model says with the stream after a layer at some subjects set to others: of each exchange and each of some
    /// ways, `[ways][exchanges]`, and how often it is what it says of the other subject.
    pub(super) fn exchanged(
        &self,
        layer: usize,
        exchanges: &[Exchange],
        ways: &[Vec<Vec<f64>>],
    ) -> Result<Vec<(Vec<u32>, Share)>> {
        let narrow = |values: &Vec<f64>| values.iter().map(|&value| T::from_f64(value)).collect();
        let changes: Vec<(usize, Vec<T>)> = ways
            .iter()
            .flat_map(|way| exchanges.iter().zip(way))
            .map(|(exchange, values)| (exchange.of, narrow(values)))
            .collect();
        let finals = self.subjects.changed(layer, &changes)?;
        let tokens = self.transformer.most_likely_tokens(&finals)?;
        let rounds = tokens.chunks_exact(exchanges.len().max(1));
        let judged = rounds.map(|tokens| {
            let pairs = exchanges.iter().zip(tokens);
            let hits = pairs.map(|(exchange, token)| *token == self.said[exchange.with]);
            (tokens.to_vec(), Share::of(hits))
        });
        Ok(judged.collect())
    }
}
