//! Subjects whose objects the model knows, with what it says of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::analyze::Share;
use crate::engine::{Subjects, Transformer, mean};
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

/// What is said of some subjects, held against what is wanted.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// The most likely tokens.
    pub said: Vec<u32>,
    /// How often they are what is wanted.
    pub share: Share,
    /// The mean log-probability of what is wanted, in nats.
    pub log_probability: f64,
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

    /// What streams decode to, and how much it is what the model says; several rounds of all subjects one after the other.
    pub(super) fn agreement(&self, finals: &[T]) -> Result<Vec<Judged>> {
        self.judged(finals, &self.said)
    }

    /// Several rounds of streams, in each of which the same tokens are wanted.
    fn judged(&self, finals: &[T], wanted: &[u32]) -> Result<Vec<Judged>> {
        let rounds = finals.len() / self.d_model() / wanted.len().max(1);
        let all = wanted.repeat(rounds);
        let tokens = self.transformer.judged_tokens(finals, &all)?;
        let rounds = tokens.chunks_exact(wanted.len().max(1));
        let judged = rounds.map(|tokens| {
            let pairs = tokens.iter().zip(wanted);
            let log_probabilities: Vec<f64> = tokens.iter().map(|it| it.1).collect();
            Judged {
                said: tokens.iter().map(|it| it.0).collect(),
                share: Share::of(pairs.map(|(token, wanted)| token.0 == *wanted)),
                log_probability: mean(&log_probabilities),
            }
        });
        Ok(judged.collect())
    }

    fn d_model(&self) -> usize {
        self.transformer.heads().d_model
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

    /// What the model says with the stream after a layer at some subjects set to others, in each of some ways,
    /// `[ways][exchanges][d_model]`, and how much it is what it says of the other subjects.
    pub(super) fn exchanged(
        &self,
        layer: usize,
        exchanges: &[Exchange],
        ways: &[Vec<Vec<f64>>],
    ) -> Result<Vec<Judged>> {
        let narrow = |values: &Vec<f64>| values.iter().map(|&value| T::from_f64(value)).collect();
        let changes: Vec<(usize, Vec<T>)> = ways
            .iter()
            .flat_map(|way| exchanges.iter().zip(way))
            .map(|(exchange, values)| (exchange.of, narrow(values)))
            .collect();
        let finals = self.subjects.changed(layer, &changes)?;
        let wanted: Vec<u32> = exchanges.iter().map(|it| self.said[it.with]).collect();
        self.judged(&finals, &wanted)
    }
}

/// The place of the largest share, of several the one with the largest log-probability, of several the first; 0 of none.
pub(super) fn best<'j>(judged: impl IntoIterator<Item = &'j Judged>) -> usize {
    let mut found: Option<(usize, &Judged)> = None;
    for (place, it) in judged.into_iter().enumerate() {
        let better = found.is_none_or(|(_, most)| {
            let by_share = it.share.count.cmp(&most.share.count);
            let by_log = || it.log_probability.total_cmp(&most.log_probability);
            by_share.then_with(by_log).is_gt()
        });
        if better {
            found = Some((place, it));
        }
    }
    found.map_or(0, |it| it.0)
}
