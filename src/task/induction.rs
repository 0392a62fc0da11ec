//! Induction: " sun dog red milk lamp dog" -> " red", the word that followed the last word before.
//!
//! Different random words, then one of them (A) again; right is the word after its first place (B). In the
//! corrupt prompt another word stands at A's first place, so that there is nothing to copy. The wrong answer is
//! another word of the prompt. With a tokenizer the words are single tokens with a space in front; without one
//! they are random token ids. Reference: Olsson et al. 2022, "In-context learning and induction heads",
//! arXiv:2209.11895.

use serde::{Deserialize, Serialize};

use super::example::Span;
use super::sampling::{Sampler, distinct};
use super::words::LOOSE;
use super::{Example, ExampleText, LoadRequest, spans, text};
use crate::error::{Error, Result};

/// Ids below this are left out where the vocabulary is large enough: special tokens are there.
const SPECIAL_IDS: usize = 16;

/// Parameters of the induction generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Induction {
    /// Number of clean/corrupt pairs.
    pub pairs: usize,
    /// Seed of the sampling.
    #[serde(default)]
    pub seed: u64,
    /// Words of a prompt, at least 4.
    #[serde(default = "default_length")]
    pub length: usize,
}

fn default_length() -> usize {
    12
}

impl Induction {
    pub(super) fn source(&self) -> String {
        format!(
            "Induction(pairs: {}, seed: {}, length: {})",
            self.pairs, self.seed, self.length
        )
    }

    pub(super) fn examples(&self, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
        let source = self.source();
        let words = self.words(request, &source)?;
        let mut sampler = Sampler::new("induction", self.seed);
        let mut order: Vec<usize> = (0..words.len()).collect();
        distinct(request, (self.pairs, &source), |_| {
            sampler.shuffle(&mut order);
            let (mut clean, unused) = (order[..self.length - 1].to_vec(), order[self.length - 1]);
            // A is not the word right before its repetition, and not the last but one: B is not either.
            let first = sampler.below(self.length - 3);
            let wrong = loop {
                let place = sampler.below(self.length - 1);
                if place != first && place != first + 1 {
                    break words[clean[place]].1;
                }
            };
            let answer = words[clean[first + 1]].1;
            clean.push(clean[first]);
            let mut corrupt = clean.clone();
            corrupt[first] = unused;
            example(request, &words, [&clean, &corrupt], first, [answer, wrong])
        })
    }

    /// The words to draw from: text and token, or no text and a token id.
    fn words(&self, request: &LoadRequest<'_>, source: &str) -> Result<Vec<(&'static str, u32)>> {
        if self.length < 4 {
            return Err(Error::data(
                source,
                "`length` must be at least 4: a word, A, B and A again",
            ));
        }
        let Some(tokenizer) = request.tokenizer else {
            let d_vocab = request.config.d_vocab;
            let first = if d_vocab >= SPECIAL_IDS + 2 * self.length {
                SPECIAL_IDS
            } else {
                0
            };
            let words: Vec<_> = (first as u32..d_vocab as u32)
                .map(|token| ("", token))
                .collect();
            if words.len() < self.length {
                let problem = format!(
                    "a vocabulary of {d_vocab} tokens is too small; lower `length` to {d_vocab}"
                );
                return Err(Error::data(source, problem));
            }
            return Ok(words);
        };
        let words = text::spaced(tokenizer, LOOSE)?;
        text::enough(&words, self.length, "words", source)?;
        Ok(words)
    }
}

fn example(
    request: &LoadRequest<'_>,
    words: &[(&str, u32)],
    pair: [&[usize]; 2],
    first: usize,
    [answer, wrong]: [u32; 2],
) -> Result<Option<Example>> {
    let [mut clean, mut corrupt] =
        pair.map(|prompt| prompt.iter().map(|word| words[*word].1).collect::<Vec<_>>());
    let mut text = None;
    if let Some(tokenizer) = request.tokenizer {
        let [clean_text, corrupt_text] = pair.map(|prompt| {
            let words: Vec<&str> = prompt.iter().map(|word| words[*word].0).collect();
            format!(" {}", words.join(" "))
        });
        let encoded = tokenizer.encode(&clean_text, request.prepend_bos)?;
        if !encoded.ends_with(&clean[1..]) {
            return Ok(None);
        }
        corrupt = tokenizer.encode(&corrupt_text, request.prepend_bos)?;
        clean = encoded;
        if clean.len() != corrupt.len() {
            return Ok(None);
        }
        text = Some(ExampleText {
            clean: clean_text,
            corrupt: corrupt_text,
        });
    }
    let at = vec![clean.len() - 1];
    let bos = request
        .tokenizer
        .is_some_and(|it| it.prepends_bos(request.prepend_bos));
    let spans = parts(clean.len(), pair[0].len(), first, bos);
    Ok(Some(Example {
        clean,
        corrupt,
        answer: vec![answer],
        wrong: vec![wrong],
        at,
        teacher_forced: false,
        spans,
        text,
    }))
}

/// The spans of a prompt of so many tokens and words, with A at `first`. All words but the first are single tokens.
fn parts(tokens: usize, words: usize, first: usize, bos: bool) -> Vec<Span> {
    let mut spans = Vec::new();
    let start = tokens - (words - 1) - usize::from(bos);
    spans::push(&mut spans, spans::BOS, usize::from(bos));
    if first == 0 {
        spans::push(&mut spans, "A", start);
    } else {
        spans::push(&mut spans, "before", start + first - 1);
        spans::push(&mut spans, "A", 1);
    }
    spans::push(&mut spans, "B", 1);
    spans::push(&mut spans, "between", words - first - 3);
    spans::push(&mut spans, "END", 1);
    spans
}
