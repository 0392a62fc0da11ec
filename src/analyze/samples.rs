//! What the model writes after prompts, as it is and changed.

use super::text_of;
use super::vector::Sample;
use crate::engine::{Continuation, Steering, Transformer};
use crate::error::Result;
use crate::events::Observer;
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// Characters of a prompt that a sample shows.
const PROMPT: usize = 160;

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
        stream: 0,
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
