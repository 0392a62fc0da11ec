//! What a vector does to text that has nothing to do with it, and to text that the model writes.

use super::report::{Passage, Sample, UnrelatedText};
use crate::analyze::random::{norm_of, random_vectors};
use crate::analyze::text_of;
use crate::engine::{AddAt, Continuation, Steering, Transformer, mean};
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// Characters of a prompt that a sample shows.
const PROMPT: usize = 160;

/// Perplexities of passages as they are, with the vector added at every position, and with its direction taken out.
pub(super) fn unrelated_text<T: Real>(
    transformer: &Transformer<'_, T>,
    passages: &[Passage],
    (layer, vector, strength): (usize, &[f64], f64),
    observer: &dyn Observer,
) -> Result<Option<UnrelatedText>> {
    if passages.is_empty() {
        return Ok(None);
    }
    phase(observer, "unrelated text", 0);
    let passages: Vec<&[u32]> = passages.iter().map(Vec::as_slice).collect();
    let random = random_vectors(1, vector.len(), norm_of(vector));
    let adding = |vector: &[f64]| Steering::adding(layer, vector, strength, AddAt::Every);
    let losses = |steering: &Steering<T>| transformer.losses(&passages, steering, observer);
    let before = losses(&Steering::none())?;
    let perplexity = |losses: &[f64]| mean(losses).exp();
    Ok(Some(UnrelatedText {
        tokens: before.len(),
        before: perplexity(&before),
        added: perplexity(&losses(&adding(vector))?),
        added_random: perplexity(&losses(&adding(&random[0]))?),
        projected_out: perplexity(&losses(&Steering::projecting_out(vector))?),
        projected_out_random: perplexity(&losses(&Steering::projecting_out(&random[0]))?),
    }))
}

/// How samples of text are written.
#[derive(Clone, Copy)]
pub(super) struct Writing<'w> {
    pub tokenizer: Option<&'w Tokenizer>,
    pub tokens: usize,
    pub stop: Option<u32>,
}

/// What the model writes after the clean prompts of some examples, as it is and steered.
pub(super) fn samples<T: Real>(
    transformer: &Transformer<'_, T>,
    examples: &[Example],
    writing: Writing<'_>,
    steering: &Steering<T>,
    observer: &dyn Observer,
) -> Result<Vec<Sample>> {
    let limit = Continuation {
        tokens: writing.tokens,
        stop: writing.stop,
        seed: None,
    };
    let prompts: Vec<&[u32]> = examples.iter().map(Example::prompt).collect();
    let written = |steering: &Steering<T>| -> Result<Vec<Vec<u32>>> {
        let mut written = Vec::with_capacity(prompts.len());
        for group in transformer.groups(examples) {
            let prompts: Vec<&[u32]> = group.iter().map(Example::prompt).collect();
            written.extend(transformer.generate(&prompts, limit, steering, observer)?);
        }
        Ok(written)
    };
    let (before, after) = (written(&Steering::none())?, written(steering)?);
    let text = |tokens: &[u32]| text_of(writing.tokenizer, tokens);
    let samples = prompts.iter().zip(before.iter().zip(&after));
    Ok(samples
        .map(|(prompt, (before, after))| Sample {
            prompt: end_of(&text(prompt)),
            before: text(before),
            after: text(after),
        })
        .collect())
}

/// The end of a text.
fn end_of(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters[characters.len().saturating_sub(PROMPT)..]
        .iter()
        .collect()
}
