//! Text: greedy continuation of prompts with cached keys and values, and the loss on given text, with the stream changed
//! or not.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::engine::BLOCK;
use crate::engine::pass::forward::{FullRun, LayerRun};
use crate::engine::pass::layout::{Layout, Segment};
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::steering::Steering;
use crate::engine::pass::transformer::Transformer;
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
    /// The number of the first prompt's stream; the others follow. So texts drawn in several calls are those of one.
    pub stream: u64,
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
        let last: Vec<[usize; 1]> = prompts.iter().map(|it| [it.len() - 1]).collect();
        let layout = Layout::whole(prompts.iter().zip(&last).map(|(&it, at)| (it, &at[..])));
        let prefix = Prefix::default();
        let embedded = self.embed(prompts.concat());
        let run = self.steered(&layout, embedded, &prefix, steering);
        let next_run = |layout: &Layout, embedded, prefix: &Prefix<T>| {
            self.steered(layout, embedded, prefix, steering)
        };
        self.continued((layout, &prefix, run), continuation, next_run, observer)
    }

    /// Continues sequences whose run so far is given: with its prefix, the keys and values of all layers, and the final
    /// stream at the last position of each. `next_run` runs the embedded new tokens.
    pub(in crate::engine) fn continued(
        &self,
        (mut layout, prefix, mut run): (Layout, &Prefix<T>, FullRun<T>),
        continuation: Continuation,
        next_run: impl Fn(&Layout, Vec<T>, &Prefix<T>) -> FullRun<T>,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<u32>>> {
        let config = self.config();
        let (n_ctx, d_out) = (config.n_ctx, config.d_out());
        let sequences = layout.segments.len();
        let mut found: Vec<Vec<u32>> = vec![Vec::new(); sequences];
        // Sequences that are still continued, each with its stream of draws.
        let mut open: Vec<(usize, Option<ChaCha8Rng>)> = (0..sequences)
            .map(|sequence| {
                let rng = continuation.seed.map(|seed| {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    rng.set_stream(continuation.stream.wrapping_add(sequence as u64));
                    rng
                });
                (sequence, rng)
            })
            .collect();
        let longest = layout.segments.iter().map(Segment::positions).max();
        let room = longest.unwrap_or(0).saturating_add(continuation.tokens);
        let room = room.min(n_ctx);
        // A single token needs no cache.
        let mut cache: Option<Cache<T>> = None;
        for left in (0..continuation.tokens).rev() {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
            let logits = self.logits(finals);
            let chosen: Vec<u32> = logits
                .par_chunks_exact(d_out)
                .zip(&mut open)
                .map(|(logits, (_, rng))| match rng {
                    Some(rng) => drawn(logits, rng),
                    None => most_likely(logits),
                })
                .collect::<Result<_>>()?;
            let mut kept = Vec::new();
            let mut next = Vec::new();
            for (index, &token) in chosen.iter().enumerate() {
                let full = layout.segments[index].positions() >= n_ctx;
                if Some(token) == continuation.stop {
                    continue;
                }
                found[open[index].0].push(token);
                if !full && (token as usize) < config.d_vocab {
                    kept.push(index);
                    next.push(token);
                }
            }
            if kept.is_empty() || left == 0 {
                break;
            }
            let cache = cache.get_or_insert_with(|| Cache::new(&layout, prefix, room, self));
            for &index in &kept {
                cache.append(open[index].0, &layout, index, &run.layers);
            }
            layout = layout.next(kept.iter().map(|&index| (index, open[index].0 * room)));
            let mut index = 0;
            open.retain(|_| {
                index += 1;
                kept.binary_search(&(index - 1)).is_ok()
            });
            run = next_run(&layout, self.embed(next), &cache.prefix);
        }
        Ok(found)
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
            stream: 0,
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
            let rows = logits.par_chunks_exact(self.config().d_out());
            tokens.extend(rows.map(most_likely).collect::<Result<Vec<_>>>()?);
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
            let rows = logits.par_chunks_exact(self.config().d_out());
            let found = rows.zip(wanted).map(|(logits, &token)| {
                let log_probability = log_softmax(logits)[token as usize];
                Ok((most_likely(logits)?, log_probability))
            });
            judged.extend(found.collect::<Result<Vec<_>>>()?);
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

/// Keys and values of sequences that grow, each with room for all its positions, so that none is ever moved.
struct Cache<T> {
    prefix: Prefix<T>,
    /// Positions of a sequence.
    room: usize,
    /// Numbers of a position.
    width: usize,
}

impl<T: Real> Cache<T> {
    /// Room for the sequences of a layout, with what is in its prefix of each.
    fn new(
        layout: &Layout,
        prefix: &Prefix<T>,
        room: usize,
        transformer: &Transformer<'_, T>,
    ) -> Self {
        let config = transformer.config();
        let width = config.n_kv_heads * config.d_head;
        let layers = |begun: &[Vec<T>]| {
            let mut layers =
                vec![vec![T::ZERO; layout.segments.len() * room * width]; config.n_layers];
            for (rows, begun) in layers.iter_mut().zip(begun) {
                for (rows, segment) in rows.chunks_exact_mut(room * width).zip(&layout.segments) {
                    let from = segment.prefix_row * width;
                    let length = segment.start * width;
                    rows[..length].copy_from_slice(&begun[from..from + length]);
                }
            }
            layers
        };
        Self {
            prefix: Prefix {
                k: layers(&prefix.k),
                v: layers(&prefix.v),
            },
            room,
            width,
        }
    }

    /// Adds the rows of a segment to a sequence.
    fn append(&mut self, sequence: usize, layout: &Layout, index: usize, run: &[LayerRun<T>]) {
        let segment = &layout.segments[index];
        let to = (sequence * self.room + segment.start) * self.width;
        let from = segment.rows.start * self.width..segment.rows.end * self.width;
        let to = to..to + from.len();
        for (layer, run) in run.iter().enumerate() {
            self.prefix.k[layer][to.clone()].copy_from_slice(&run.k[from.clone()]);
            self.prefix.v[layer][to.clone()].copy_from_slice(&run.v[from.clone()]);
        }
    }
}

/// The token with the largest logit; the first of several.
pub(in crate::engine) fn most_likely<T: Real>(logits: &[T]) -> Result<u32> {
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
    let largest = logits[most as usize];
    let weights: Vec<T> = logits.iter().map(|&it| (it - largest).exp()).collect();
    let total: f64 = weights.iter().map(|weight| weight.to_f64()).sum();
    let mut left = rng.random::<f64>() * total;
    for (token, weight) in weights.iter().enumerate() {
        left -= weight.to_f64();
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
