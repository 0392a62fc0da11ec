//! Text: greedy continuation of prompts with cached keys and values, and the loss on given text, with the stream changed
//! or not.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::BLOCK;
use super::layout::Layout;
use super::steer::Steering;
use super::transformer::{Prefix, Transformer};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::metric::log_softmax;
use crate::model::Real;

/// Rows of logits that are made at a time.
const ROWS: usize = 64;

/// How text is continued.
#[derive(Debug, Clone, Copy)]
pub struct Continuation {
    /// Most tokens.
    pub tokens: usize,
    /// The token that ends a text; it is left out.
    pub stop: Option<u32>,
    /// With a seed tokens are drawn by their probabilities, for each prompt from a stream of its own; without, the most
    /// likely one is taken.
    pub seed: Option<u64>,
}

impl<T: Real> Transformer<'_, T> {
    /// Continues prompts, up to a number of tokens, `n_ctx`, or a token that ends the text.
    ///
    /// # Errors
    /// When a logit is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, or a prompt is empty or longer than `n_ctx`.
    ///
    /// # Complexity
    /// One forward pass of the prompts, and one of a row a prompt for each token.
    pub fn generate(
        &self,
        prompts: &[&[u32]],
        continuation: Continuation,
        steering: &Steering<T>,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<u32>>> {
        let n_ctx = self.config().n_ctx;
        let mut found: Vec<Vec<u32>> = vec![Vec::new(); prompts.len()];
        let mut draws: Vec<Option<ChaCha8Rng>> = (0..prompts.len() as u64)
            .map(|prompt| {
                let mut rng = ChaCha8Rng::seed_from_u64(continuation.seed?);
                rng.set_stream(prompt);
                Some(rng)
            })
            .collect();
        // Prompts that are still continued.
        let mut open: Vec<usize> = (0..prompts.len()).collect();
        let last: Vec<[usize; 1]> = prompts.iter().map(|it| [it.len() - 1]).collect();
        let mut layout = Layout::whole(prompts.iter().zip(&last).map(|(&it, at)| (it, &at[..])));
        let mut tokens: Vec<u32> = prompts.concat();
        let mut prefix = Prefix::default();
        for _ in 0..continuation.tokens {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let run = self.steered(&layout, self.embed(tokens), &prefix, steering);
            let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
            let logits = self.logits(finals);
            let mut kept = Vec::new();
            let mut next = Vec::new();
            for (index, logits) in logits.chunks_exact(self.config().d_out()).enumerate() {
                let token = match &mut draws[open[index]] {
                    Some(rng) => drawn(logits, rng)?,
                    None => most_likely(logits)?,
                };
                let full = layout.segments[index].positions() >= n_ctx;
                if Some(token) == continuation.stop {
                    continue;
                }
                found[open[index]].push(token);
                if !full && (token as usize) < self.config().d_vocab {
                    kept.push(index);
                    next.push(token);
                }
            }
            if kept.is_empty() {
                break;
            }
            let kv = run.layers.iter().map(|run| (&run.k[..], &run.v[..]));
            (layout, prefix) = self.with_next_token(&layout, &prefix, kv, &kept);
            open = kept.iter().map(|&index| open[index]).collect();
            tokens = next;
        }
        Ok(found)
    }

    /// One more position of the sequences kept: all before it is the prefix.
    fn with_next_token<'r>(
        &self,
        layout: &Layout,
        prefix: &Prefix<T>,
        kv: impl Iterator<Item = (&'r [T], &'r [T])>,
        kept: &[usize],
    ) -> (Layout, Prefix<T>) {
        let config = self.config();
        let width = config.n_kv_heads * config.d_head;
        let mut longer = Prefix::default();
        let append = |old: Option<&Vec<T>>, new: &[T]| {
            let mut rows = Vec::new();
            for &index in kept {
                let segment = &layout.segments[index];
                if let Some(old) = old {
                    let from = segment.prefix_row * width;
                    rows.extend_from_slice(&old[from..from + segment.start * width]);
                }
                rows.extend_from_slice(&new[segment.rows.start * width..segment.rows.end * width]);
            }
            rows
        };
        for (layer, (k, v)) in kv.enumerate() {
            longer.k.push(append(prefix.k.get(layer), k));
            longer.v.push(append(prefix.v.get(layer), v));
        }
        (layout.next(kept), longer)
    }

    /// The most likely next token of each of some prompts.
    ///
    /// # Errors
    /// When a logit is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// As [`Self::generate`].
    ///
    /// # Complexity
    /// One forward pass.
    pub fn next_tokens(&self, prompts: &[&[u32]], observer: &dyn Observer) -> Result<Vec<u32>> {
        let one = Continuation {
            tokens: 1,
            stop: None,
            seed: None,
        };
        let mut found = Vec::with_capacity(prompts.len());
        for prompts in prompts.chunks(BLOCK) {
            let written = self.generate(prompts, one, &Steering::none(), observer)?;
            found.extend(written.into_iter().flatten());
        }
        Ok(found)
    }

    /// The most likely next token for each of some streams that the final norm reads, `[rows, d_model]`.
    ///
    /// # Errors
    /// When a logit is not finite.
    pub fn most_likely_tokens(&self, finals: &[T]) -> Result<Vec<u32>> {
        let mut tokens = Vec::with_capacity(finals.len() / self.config().d_model);
        for finals in finals.chunks(ROWS * self.config().d_model) {
            let logits = self.logits(finals);
            for logits in logits.chunks_exact(self.config().d_out()) {
                tokens.push(most_likely(logits)?);
            }
        }
        Ok(tokens)
    }

    /// As [`Self::most_likely_tokens`], each with the log-probability of a token that is wanted there, in nats; `wanted` has
    /// one for each row.
    ///
    /// # Errors
    /// When a logit is not finite.
    ///
    /// # Panics
    /// When a token is outside of the vocabulary.
    pub fn judged_tokens(&self, finals: &[T], wanted: &[u32]) -> Result<Vec<(u32, f64)>> {
        let mut judged = Vec::with_capacity(wanted.len());
        let chunks = finals.chunks(ROWS * self.config().d_model);
        for (finals, wanted) in chunks.zip(wanted.chunks(ROWS)) {
            let logits = self.logits(finals);
            let rows = logits.chunks_exact(self.config().d_out());
            for (logits, &token) in rows.zip(wanted) {
                judged.push((most_likely(logits)?, log_softmax(logits)[token as usize]));
            }
        }
        Ok(judged)
    }

    /// The negative log-probability of every token of some sequences but their first, in nats.
    ///
    /// # Errors
    /// When a loss is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, or a sequence is longer than `n_ctx`.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn losses(
        &self,
        sequences: &[&[u32]],
        steering: &Steering<T>,
        observer: &dyn Observer,
    ) -> Result<Vec<f64>> {
        let mut losses = Vec::new();
        for tokens in sequences.iter().filter(|tokens| tokens.len() > 1) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let every: Vec<usize> = (0..tokens.len() - 1).collect();
            let context = &tokens[..tokens.len() - 1];
            let layout = Layout::whole([(context, &every[..])]);
            let embedded = self.embed(context.iter().copied());
            let run = self.steered(&layout, embedded, &Prefix::default(), steering);
            let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
            let log_probs = self.log_probs(finals);
            let rows = log_probs.chunks_exact(self.config().d_out());
            for (log_probs, &token) in rows.zip(&tokens[1..]) {
                losses.push(-log_probs[token as usize].to_f64());
            }
        }
        if losses.iter().all(|loss| loss.is_finite()) {
            return Ok(losses);
        }
        Err(not_finite())
    }
}

/// The token with the largest logit; the first of several.
fn most_likely<T: Real>(logits: &[T]) -> Result<u32> {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if !logit.is_finite() {
            return Err(not_finite());
        }
        if *logit > logits[best] {
            best = token;
        }
    }
    Ok(best as u32)
}

/// A token drawn by its probability.
fn drawn<T: Real>(logits: &[T], rng: &mut ChaCha8Rng) -> Result<u32> {
    let most = most_likely(logits)?;
    let largest = logits[most as usize].to_f64();
    let weights = logits.iter().map(|logit| (logit.to_f64() - largest).exp());
    let total: f64 = weights.clone().sum();
    let mut left = rng.random::<f64>() * total;
    for (token, weight) in weights.enumerate() {
        left -= weight;
        if left < 0.0 {
            return Ok(token as u32);
        }
    }
    Ok(most)
}

fn not_finite() -> Error {
    Error::NotFinite {
        node: "logits".into(),
        problem: "a logit is not finite; try smaller strengths or precision: F64".into(),
    }
}
