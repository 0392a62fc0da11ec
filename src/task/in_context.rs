//! A function of words shown by examples in the prompt: "Q: hot\nA: cold\n\nQ: up\nA:" -> " down".
//!
//! In the corrupt prompt the same answers stand after other questions, so that the function is not shown. Without any
//! shots, both prompts are the question alone. Reference: Todd et al. 2023, "Function vectors in large language models",
//! arXiv:2310.15213.

use serde::{Deserialize, Serialize};

use super::sampling::Sampler;
use super::word_pairs::WordFunction;
use super::{Example, ExampleText, LoadRequest, spans, text};
use crate::error::{Error, Result};
use crate::model::Tokenizer;

/// Most examples in a prompt.
pub(crate) const MOST_SHOTS: usize = 50;

/// Parameters of the in-context generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InContext {
    /// The function.
    pub function: WordFunction,
    /// Number of clean/corrupt pairs; each asks for another word.
    pub pairs: usize,
    /// Examples in front of the question.
    #[serde(default = "default_shots")]
    pub shots: usize,
    /// First word of the function's list, in an order that is always the same: prompts are made of `pairs` words from
    /// there on.
    #[serde(default)]
    pub first: usize,
    /// Seed of the sampling.
    #[serde(default)]
    pub seed: u64,
}

fn default_shots() -> usize {
    10
}

impl InContext {
    pub(super) fn source(&self) -> String {
        format!(
            "InContext(function: {:?}, pairs: {}, shots: {}, first: {}, seed: {})",
            self.function, self.pairs, self.shots, self.first, self.seed
        )
    }

    pub(super) fn examples(&self, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
        let source = self.source();
        let tokenizer = text::tokenizer(request, &source)?;
        let mut known = Vec::new();
        for &(word, answer) in self.function.words() {
            let token = text::continuation(tokenizer, "A:", &format!(" {answer}"))?;
            known.extend(token.map(|token| (word, answer, token)));
        }
        Sampler::new("in-context words", 0).shuffle(&mut known);
        let words = known.get(self.first..self.first.saturating_add(self.pairs));
        let words = words.filter(|words| words.len() > self.shots.max(1));
        let Some(words) = words else {
            let problem = format!(
                "{} of its words have an answer that is one token of this tokenizer; `first` + `pairs` must be at most \
                 that, and `pairs` more than `shots`",
                known.len()
            );
            return Err(Error::data(source, problem));
        };
        let mut sampler = Sampler::new("in-context", self.seed);
        let mut examples = Vec::with_capacity(words.len());
        for (index, &asked) in words.iter().enumerate() {
            request.go_on()?;
            let mut shown: Vec<Entry> = Vec::new();
            shown.extend(words[..index].iter().chain(&words[index + 1..]));
            sampler.shuffle(&mut shown);
            shown.truncate(self.shots);
            examples.push(example(request, tokenizer, &shown, asked)?);
        }
        Ok(examples)
    }
}

/// A word, its answer, and the answer's token.
type Entry = (&'static str, &'static str, u32);

fn example(
    request: &LoadRequest<'_>,
    tokenizer: &Tokenizer,
    shown: &[Entry],
    (word, _, token): Entry,
) -> Result<Example> {
    // Each answer stands after the question before its own.
    let moved = |index: usize| shown[(index + 1) % shown.len()].1;
    let right: String = shown.iter().map(|it| shot(it.0, it.1)).collect();
    let wrong: String = (0..shown.len())
        .map(|index| shot(shown[index].0, moved(index)))
        .collect();
    let text = ExampleText {
        clean: format!("{right}Q: {word}\nA:"),
        corrupt: format!("{wrong}Q: {word}\nA:"),
    };
    let clean = tokenizer.encode(&text.clean, request.prepend_bos)?;
    let corrupt = tokenizer.encode(&text.corrupt, request.prepend_bos)?;
    let pieces = [
        ("shots", right),
        ("question", format!("Q: {word}")),
        ("END", "\nA:".into()),
    ];
    let pieces = if shown.is_empty() {
        &pieces[1..]
    } else {
        &pieces[..]
    };
    let spans = spans::of_pieces(request, tokenizer, &clean, pieces)?;
    Ok(Example {
        at: vec![clean.len() - 1],
        teacher_forced: false,
        spans: spans.unwrap_or_default(),
        clean,
        corrupt,
        answer: vec![token],
        wrong: Vec::new(),
        text: Some(text),
    })
}

fn shot(word: &str, answer: &str) -> String {
    format!("Q: {word}\nA: {answer}\n\n")
}
