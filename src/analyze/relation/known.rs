//! Subjects whose objects the model answers correctly, with what it says of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::{Overwrite, Prompt, Rerun, Transformer, mean};
use crate::error::Result;
use crate::evaluate::Share;
use crate::model::Real;
use crate::task::SubjectPrompt;

/// Subjects that were run.
pub(super) struct SubjectRuns<'t, 'a, T> {
    pub transformer: &'t Transformer<'a, T>,
    pub runs: Rerun<'t, 'a, T>,
    /// The position of the last token of each subject.
    places: Vec<usize>,
    /// The most likely token after each prompt.
    pub said: Vec<u32>,
}

/// What is said of some subjects, held against what is wanted.
#[derive(Debug, Clone)]
pub(super) struct EvaluatedSubjects {
    /// The most likely tokens.
    pub said: Vec<u32>,
    /// How often they are what is wanted.
    pub share: Share,
    /// The mean log-probability of what is wanted, in nats.
    pub log_probability: f64,
}

/// A subject, and another one of which the model says something else; both by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SubjectPair {
    pub of: usize,
    pub with: usize,
}

impl<'t, 'a, T: Real> SubjectRuns<'t, 'a, T> {
    pub(super) fn new(
        transformer: &'t Transformer<'a, T>,
        prompts: &'t [SubjectPrompt],
    ) -> Result<Self> {
        let ends: Vec<[usize; 1]> = prompts.iter().map(|it| [it.tokens.len() - 1]).collect();
        let asked = prompts.iter().zip(&ends).map(|(it, end)| Prompt {
            tokens: &it.tokens,
            reads: end,
        });
        let runs = Rerun::new(transformer, &asked.collect::<Vec<_>>(), None)?;
        Ok(Self {
            transformer,
            said: transformer.most_likely_tokens(runs.read())?,
            places: prompts.iter().map(|it| it.subject).collect(),
            runs,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.said.len()
    }

    /// Where a subject stands: its prompt, and the position of its last token.
    pub(super) fn place(&self, subject: usize) -> (usize, usize) {
        (subject, self.places[subject])
    }

    /// The stream after a layer, but the last, at a subject, `[d_model]`.
    pub(super) fn stream(&self, layer: usize, subject: usize) -> &[T] {
        let stream = self.runs.stream(subject, self.places[subject], layer);
        stream.expect("only the last layer lacks positions")
    }

    /// The streams after a layer at the subjects, `[subjects, d_model]`.
    pub(super) fn streams(&self, layer: usize) -> Vec<f64> {
        let streams = (0..self.len()).flat_map(|subject| self.stream(layer, subject));
        streams.map(|value| value.to_f64()).collect()
    }

    /// The stream at the end of a subject's prompt, `[d_model]`.
    pub(super) fn object(&self, subject: usize) -> &[T] {
        let d_model = self.d_model();
        &self.runs.read()[subject * d_model..(subject + 1) * d_model]
    }

    /// The streams at the ends of the prompts, `[subjects, d_model]`.
    pub(super) fn objects(&self) -> Vec<f64> {
        self.runs
            .read()
            .iter()
            .map(|value| value.to_f64())
            .collect()
    }

    /// What streams decode to, and how much it is the model's prediction; several rounds of all subjects one after the other.
    pub(super) fn agreement(&self, finals: &[T]) -> Result<Vec<EvaluatedSubjects>> {
        self.judged(finals, &self.said)
    }

    /// Several rounds of streams, in each of which the same tokens are wanted.
    fn judged(&self, finals: &[T], wanted: &[u32]) -> Result<Vec<EvaluatedSubjects>> {
        let rounds = finals.len() / self.d_model() / wanted.len().max(1);
        let all = wanted.repeat(rounds);
        let tokens = self.transformer.judged_tokens(finals, &all)?;
        let rounds = tokens.chunks_exact(wanted.len().max(1));
        let judged = rounds.map(|tokens| {
            let pairs = tokens.iter().zip(wanted);
            let log_probabilities: Vec<f64> = tokens.iter().map(|it| it.1).collect();
            EvaluatedSubjects {
                said: tokens.iter().map(|it| it.0).collect(),
                share: Share::of(pairs.map(|(token, wanted)| token.0 == *wanted)),
                log_probability: mean(&log_probabilities),
            }
        });
        Ok(judged.collect())
    }

    pub(super) fn d_model(&self) -> usize {
        self.transformer.heads().d_model
    }

    /// For each subject another one, drawn by lot among those of which the model says something else.
    pub(super) fn exchanges(&self, seed: u64) -> Vec<SubjectPair> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut found = Vec::new();
        for of in 0..self.len() {
            let others = (0..self.len()).filter(|&other| self.said[other] != self.said[of]);
            let others: Vec<usize> = others.collect();
            if !others.is_empty() {
                let with = others[rng.random_range(0..others.len())];
                found.push(SubjectPair { of, with });
            }
        }
        found
    }

    /// What the model says with the stream after a layer at some subjects set to others, in each of some ways,
    /// `[ways][exchanges][d_model]`, and how much it is what it says of the other subjects.
    pub(super) fn exchanged(
        &self,
        layer: usize,
        exchanges: &[SubjectPair],
        ways: &[Vec<Vec<f64>>],
    ) -> Result<Vec<EvaluatedSubjects>> {
        let changes = ways.iter().flat_map(|way| exchanges.iter().zip(way));
        let changes = changes.map(|(exchange, values)| Overwrite {
            prompt: exchange.of,
            position: self.places[exchange.of],
            values: values.iter().map(|&value| T::from_f64(value)).collect(),
        });
        let finals = self.runs.finals(layer, &changes.collect::<Vec<_>>())?;
        let wanted: Vec<u32> = exchanges.iter().map(|it| self.said[it.with]).collect();
        self.judged(&finals, &wanted)
    }
}

/// The place of the largest share, of several the one with the largest log-probability, of several the first; 0 of none.
pub(super) fn best<'j>(judged: impl IntoIterator<Item = &'j EvaluatedSubjects>) -> usize {
    let mut found: Option<(usize, &EvaluatedSubjects)> = None;
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
