//! What every example must satisfy, whoever made it.

use std::collections::HashSet;

use super::{Example, LoadRequest, Prompts};
use crate::error::{Error, Result};

/// Bad rows that are written out; the rest is counted.
const SHOWN: usize = 10;

/// Checks generated examples, which must be at least one.
pub(super) fn all(source: &str, examples: &[Example], request: &LoadRequest<'_>) -> Result<()> {
    if examples.is_empty() {
        return Err(Error::data(
            source,
            "there are no examples; set `pairs` to at least 1",
        ));
    }
    let mut problems = Problems::default();
    for (index, example) in examples.iter().enumerate() {
        request.go_on()?;
        if let Err(problem) = one(example, request) {
            problems.add(index + 1, problem);
        }
    }
    problems.report(source)
}

/// Checks one example and says what is wrong and what to do.
pub(super) fn one(example: &Example, request: &LoadRequest<'_>) -> Result<(), String> {
    let (config, pairs) = (request.config, request.prompts == Prompts::Pairs);
    let Example {
        clean,
        corrupt,
        answer,
        wrong,
        at,
        teacher_forced,
        ..
    } = example;
    if clean.is_empty() || corrupt.is_empty() {
        let which = if clean.is_empty() { "clean" } else { "corrupt" };
        return Err(format!(
            "`{which}` is empty; write a prompt or remove the row"
        ));
    }
    if pairs && clean.len() != corrupt.len() {
        return Err(format!(
            "clean has {} tokens and corrupt {}; both must have the same number, so change a word",
            clean.len(),
            corrupt.len()
        ));
    }
    if pairs && example.first_difference().is_none() {
        return Err("clean and corrupt are the same tokens; change the corrupt prompt".into());
    }
    let longest = clean.len().max(corrupt.len());
    if longest > config.n_ctx {
        let what = if *teacher_forced {
            "the prompt with its answer"
        } else {
            "the prompt"
        };
        return Err(format!(
            "{what} has {} tokens and the model reads at most {}; shorten it",
            longest, config.n_ctx
        ));
    }
    for (key, ids, size) in [
        ("clean", clean, config.d_vocab),
        ("corrupt", corrupt, config.d_vocab),
        ("answer", answer, config.d_out()),
        ("wrong", wrong, config.d_out()),
    ] {
        if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
            if let Some(tokenizer) = request.tokenizer.filter(|_| example.text.is_some()) {
                return Err(format!(
                    "`{key}` has {:?} (token {id}), which the tokenizer knows and the model does not: its vocabulary \
                     ends at {}; use another word",
                    tokenizer.decode(&[*id]),
                    size.saturating_sub(1)
                ));
            }
            return Err(format!(
                "`{key}` has token {id}, but the model's vocabulary ends at {}; use ids of this model",
                size.saturating_sub(1)
            ));
        }
    }
    if answer.is_empty() {
        return Err("`answer` is empty; give at least one right answer".into());
    }
    if *teacher_forced && (!wrong.is_empty() || answer.len() != at.len()) {
        return Err(
            "an answer of several tokens needs one position each and no wrong answers".into(),
        );
    }
    let mut seen = HashSet::new();
    // The tokens of one answer may repeat; alternatives may not.
    let mut alternatives = answer.iter().chain(wrong).filter(|_| !teacher_forced);
    if let Some(id) = alternatives.find(|id| !seen.insert(**id)) {
        return Err(format!(
            "token {id} is twice among the answers and wrong answers; remove one"
        ));
    }
    if at.is_empty() {
        return Err("`at` is empty; name a position, or leave `at` out for the last one".into());
    }
    if let Some(position) = at.iter().find(|position| **position >= clean.len()) {
        return Err(format!(
            "`at` has position {position}, but the prompt's last is {}; positions count from 0",
            clean.len() - 1
        ));
    }
    // The same positions, counted from the end, are read of both prompts.
    if clean.len() - at[0] > corrupt.len() {
        return Err(format!(
            "`at` has position {}, for which the corrupt prompt is too short; clean and corrupt are compared from their \
             ends",
            at[0]
        ));
    }
    if at.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("`at` is not in ascending order; sort it and keep each position once".into());
    }
    Ok(())
}

/// Bad rows of one source.
pub(super) struct Problems {
    /// What a row is called.
    what: &'static str,
    shown: Vec<String>,
    more: usize,
}

impl Default for Problems {
    fn default() -> Self {
        Self::named("row")
    }
}

impl Problems {
    /// Bad rows that are called by this name.
    pub(super) fn named(what: &'static str) -> Self {
        Self {
            what,
            shown: Vec::new(),
            more: 0,
        }
    }

    /// Notes what is wrong with a row, counted from 1.
    pub(super) fn add(&mut self, row: usize, problem: impl std::fmt::Display) {
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{} {row}: {problem}", self.what));
        } else {
            self.more += 1;
        }
    }

    /// Fails when there are bad rows.
    pub(super) fn report(self, source: &str) -> Result<()> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let mut lines = self.shown;
        if self.more > 0 {
            lines.push(format!("and {} more", self.more));
        }
        Err(Error::data(source, lines.join("\n")))
    }
}
