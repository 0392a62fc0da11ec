//! What a stream says when the final norm and the unembedding read it.

use serde::Serialize;

use super::tuned::TunedLens;
use crate::analyze::{largest, text_of};
use crate::engine::{StreamSite, Transformer};
use crate::error::{Error, Result};
use crate::metric::{divergence, log_softmax};
use crate::model::{Real, Tokenizer};

/// Logits that are in memory together.
pub(super) const LOGITS: usize = 1 << 23;

/// What is seen at one site and position.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensPrediction {
    /// The most likely tokens.
    pub top: Vec<Likely>,
    /// Probability of the tokens tracked, together.
    pub probability: f64,
    /// Place of the first of them among all tokens by their probability, from 1.
    pub rank: usize,
    /// KL divergence of the model's own output from it, in nats.
    pub kl: f64,
}

/// A token with its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likely {
    /// The token.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Its probability.
    pub probability: f64,
}

/// Tokens that are tracked at a position, and some to compare with.
#[derive(Debug, Clone, Default)]
pub(in crate::analyze) struct TrackedTokens {
    /// The tokens; none follows what the model itself says there.
    pub tokens: Vec<u32>,
    /// Those of another prompt.
    pub others: Vec<u32>,
}

/// What is seen at all sites of some positions.
pub(in crate::analyze) struct LensReadings {
    /// `[sites][positions]`.
    pub seen: Vec<Vec<LensPrediction>>,
    /// The same through the maps of a tuned lens, where there is one.
    pub tuned: Vec<Vec<LensPrediction>>,
    /// Probability of the tokens to compare with, `[sites][positions]`.
    pub others: Vec<Vec<f64>>,
}

/// What reads streams.
#[derive(Clone, Copy)]
pub(in crate::analyze) struct Reader<'r, 'a, T> {
    pub transformer: &'r Transformer<'a, T>,
    pub tokenizer: Option<&'r Tokenizer>,
    /// Number of most likely tokens.
    pub top: usize,
}

impl<T: Real> Reader<'_, '_, T> {
    /// Reads streams `[sites][positions, d_model]`, the last of which is the final one.
    ///
    /// # Errors
    /// When a logit is not finite.
    pub(in crate::analyze) fn look(
        &self,
        streams: &[Vec<T>],
        tracked: &[TrackedTokens],
        (places, tuned): (&[StreamSite], Option<&TunedLens<T>>),
    ) -> Result<LensReadings> {
        let width = self.transformer.heads().d_model;
        let together = (LOGITS / self.transformer.d_out()).max(1);
        let mut looks = LensReadings {
            seen: vec![Vec::new(); streams.len()],
            tuned: vec![Vec::new(); tuned.map_or(0, |_| streams.len())],
            others: vec![Vec::new(); streams.len()],
        };
        for first in (0..tracked.len()).step_by(together) {
            let last = (first + together).min(tracked.len());
            let rows = |stream: &Vec<T>| stream[first * width..last * width].to_vec();
            let Some(finals) = streams.last().map(rows) else {
                break;
            };
            let finals = self.log_probabilities(&finals)?;
            let tracked: Vec<TrackedTokens> = tracked[first..last]
                .iter()
                .zip(&finals)
                .map(|(tracked, finals)| tracked.or_most_likely(finals))
                .collect();
            for (place, stream) in streams.iter().enumerate() {
                let stream = rows(stream);
                let here = self.log_probabilities(&stream)?;
                for ((here, finals), tracked) in here.iter().zip(&finals).zip(&tracked) {
                    looks.seen[place].push(self.seen(here, finals, &tracked.tokens));
                    looks.others[place].push(probability(here, &tracked.others));
                }
                if let Some(lens) = tuned {
                    let here = self.log_probabilities(&lens.translate(places[place], &stream))?;
                    for ((here, finals), tracked) in here.iter().zip(&finals).zip(&tracked) {
                        looks.tuned[place].push(self.seen(here, finals, &tracked.tokens));
                    }
                }
            }
        }
        Ok(looks)
    }

    /// Log-probabilities of all tokens at some streams.
    pub(super) fn log_probabilities(&self, streams: &[T]) -> Result<Vec<Vec<f64>>> {
        let logits = self.transformer.logits(streams);
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(Error::NotFinite {
                node: "logits".into(),
                problem: "a logit of an earlier layer's stream is not finite; try precision: F64"
                    .into(),
            });
        }
        let rows = logits.chunks_exact(self.transformer.d_out());
        Ok(rows.map(log_softmax).collect())
    }

    fn seen(&self, here: &[f64], finals: &[f64], tracked: &[u32]) -> LensPrediction {
        let best = tracked.iter().map(|&token| here[token as usize]);
        let best = best.fold(f64::NEG_INFINITY, f64::max);
        let top = largest(here, self.top).into_iter();
        LensPrediction {
            top: top
                .map(|token| Likely {
                    token,
                    text: text_of(self.tokenizer, &[token]),
                    probability: here[token as usize].exp(),
                })
                .collect(),
            probability: probability(here, tracked),
            rank: 1 + here.iter().filter(|&&other| other > best).count(),
            kl: divergence(finals, here),
        }
    }
}

impl TrackedTokens {
    fn or_most_likely(&self, log_probabilities: &[f64]) -> Self {
        let mut tracked = self.clone();
        if tracked.tokens.is_empty() {
            tracked.tokens = largest(log_probabilities, 1);
        }
        tracked
    }
}

fn probability(log_probabilities: &[f64], tokens: &[u32]) -> f64 {
    let tokens = tokens
        .iter()
        .map(|&token| log_probabilities[token as usize].exp());
    tokens.sum()
}
