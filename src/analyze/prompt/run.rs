//! A prompt and its next tokens.

use super::exchanged::Exchanged;
use super::parameters::{AblateWith, Ablated, DirectionSwap, Prompt};
use super::report::{LensRow, NextToken, PromptReport, TokenText};
use crate::analyze::lens::{Reader, TrackedTokens, TunedLens};
use crate::analyze::{largest, text_of};
use crate::engine::{Continuation, PromptRun, Replaced, Splice, Substitute, Transformer};
use crate::error::{Error, Result};
use crate::events::{Observer, phase};
use crate::graph::Node;
use crate::metric::divergence;
use crate::model::{Real, Tokenizer};

/// A prompt with what belongs to it, as tokens.
#[derive(Clone, Copy)]
pub struct PromptTask<'t, T> {
    /// Its tokens.
    pub tokens: &'t [u32],
    /// The tokens of the other one.
    pub compare: Option<&'t [u32]>,
    /// The tokens that each edit swaps.
    pub exchanged: &'t [[u32; 2]],
    /// The token that the lens follows.
    pub followed: Option<u32>,
    /// A tuned lens to look through.
    pub tuned: Option<&'t TunedLens<T>>,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<&'t Tokenizer>,
}

/// Runs a prompt, with the model changed where that is asked for.
///
/// # Errors
/// When a part, a layer or a position does not exist, prompts to patch from have another length, a number is not finite, or the
/// observer interrupts.
///
/// # Complexity
/// One forward pass of each prompt, one more where the model is changed, and one of a row for each token written.
pub fn ask_prompt<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &PromptTask<'_, T>,
    question: &Prompt,
    observer: &dyn Observer,
) -> Result<PromptReport> {
    phase(observer, "the prompt", 0);
    let tokens = task.tokens;
    let edits = (&question.edit[..], task.exchanged);
    let exchanged = Exchanged::new(transformer, edits, tokens.len())?;
    let plain = PromptRun::new(transformer, tokens, &[], None)?;
    let other = task
        .compare
        .map(|tokens| PromptRun::new(transformer, tokens, &[], None))
        .transpose()?;
    let replaced: Vec<Replaced<T>> = question
        .ablate
        .iter()
        .map(|ablated| replaced(ablated, &plain, other.as_ref()))
        .collect::<Result<_>>()?;
    let before = plain.next()?;
    let changes = !replaced.is_empty() || !question.edit.is_empty();
    let changed = if changes {
        let splice: Option<&dyn Splice<T>> = (!question.edit.is_empty()).then_some(&exchanged);
        Some(PromptRun::new(transformer, tokens, &replaced, splice)?)
    } else {
        None
    };
    let run = changed.as_ref().unwrap_or(&plain);
    let now = run.next()?;
    let after_other = other.as_ref().map(PromptRun::next).transpose()?;

    let token_text = |&id: &u32| TokenText {
        id,
        text: text_of(task.tokenizer, &[id]),
    };
    let next = largest(&now, question.top).into_iter().map(|id| NextToken {
        token: token_text(&id),
        probability: now[id as usize].exp(),
        before: changes.then(|| before[id as usize].exp()),
        compare: after_other.as_ref().map(|other| other[id as usize].exp()),
    });
    let next = next.collect();
    let written = if question.generate > 0 {
        phase(observer, "text", 0);
        let continuation = Continuation {
            tokens: question.generate,
            stop: task.tokenizer.and_then(Tokenizer::eos),
            seed: None,
            stream: 0,
        };
        let written = run.generate(continuation, observer)?;
        Some(text_of(task.tokenizer, &written))
    } else {
        None
    };
    let ablated = question.ablate.iter();
    Ok(PromptReport {
        tokens: tokens.iter().map(token_text).collect(),
        tokens_compare: task
            .compare
            .unwrap_or_default()
            .iter()
            .map(token_text)
            .collect(),
        ablated: ablated
            .map(|ablated| format!("{} by {:?}", ablated.node, ablated.by))
            .collect(),
        edited: question.edit.iter().map(DirectionSwap::in_words).collect(),
        next,
        kl: changes.then(|| divergence(&before, &now)),
        kl_compare: after_other.map(|other| divergence(&before, &other)),
        lens: match question.lens {
            Some(_) => through_lens(transformer, task, run, question.top)?,
            None => Vec::new(),
        },
        written,
        warnings: Vec::new(),
    })
}

/// What the lens shows at every place of a run's last position.
fn through_lens<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &PromptTask<'_, T>,
    run: &PromptRun<'_, '_, T>,
    top: usize,
) -> Result<Vec<LensRow>> {
    let places = transformer.places(false);
    let reader = Reader {
        transformer,
        tokenizer: task.tokenizer,
        top,
    };
    let followed = TrackedTokens {
        tokens: task.followed.into_iter().collect(),
        others: Vec::new(),
    };
    let streams = run.last_streams(&places);
    let looks = reader.look(&streams, &[followed], (&places, task.tuned))?;
    let mut tuned = looks.tuned.into_iter().flatten();
    let seen = places.iter().zip(looks.seen.into_iter().flatten());
    let seen = seen.map(|(place, logit_lens)| LensRow {
        place: place.to_string(),
        logit_lens,
        tuned_lens: tuned.next(),
    });
    Ok(seen.collect())
}

/// A part with what takes its place.
fn replaced<T: Real>(
    ablated: &Ablated,
    plain: &PromptRun<'_, '_, T>,
    other: Option<&PromptRun<'_, '_, T>>,
) -> Result<Replaced<T>> {
    let node: Node = ablated.node.parse().map_err(Error::Usage)?;
    let own = plain.result(node)?;
    let width = own.len() / plain.positions();
    let values = match ablated.by {
        AblateWith::Zero => Substitute::Everywhere(vec![T::ZERO; width]),
        AblateWith::Mean => {
            let mut sum = vec![0.0; width];
            let other = other.map(|other| other.result(node)).transpose()?;
            let all = [own, other.unwrap_or_default()].concat();
            for row in all.chunks_exact(width) {
                for (sum, value) in sum.iter_mut().zip(row) {
                    *sum += value.to_f64();
                }
            }
            let rows = (all.len() / width) as f64;
            Substitute::Everywhere(sum.iter().map(|sum| T::from_f64(sum / rows)).collect())
        }
        AblateWith::Patch => {
            let other = other.ok_or_else(|| {
                Error::Usage(format!("{node}: there is no other prompt to patch from"))
            })?;
            if other.positions() != plain.positions() {
                return Err(Error::Usage(format!(
                    "{node} cannot be patched: the prompt has {} tokens and the other one {}; both must have the same number",
                    plain.positions(),
                    other.positions()
                )));
            }
            Substitute::First(other.result(node)?)
        }
    };
    Ok(Replaced { node, values })
}
