//! A prompt and its next tokens.

use super::parameters::{Ablated, Instead, Prompt};
use super::report::{NextToken, PromptReport, TokenText};
use crate::analyze::text_of;
use crate::engine::{PromptRun, Replaced, Substitute, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::model::{Real, Tokenizer};

/// Runs a prompt, with parts of the model replaced where that is asked for; `tokens` are the prompt's, `compare` those of
/// the other one.
///
/// # Errors
/// When a part does not exist, prompts to patch from have another length, a number is not finite, or the observer interrupts.
///
/// # Complexity
/// One forward pass of each prompt, one more with parts replaced, and one for each token written.
pub fn ask_prompt<T: Real>(
    transformer: &Transformer<'_, T>,
    tokenizer: Option<&Tokenizer>,
    (tokens, compare): (&[u32], Option<&[u32]>),
    question: &Prompt,
    observer: &dyn Observer,
) -> Result<PromptReport> {
    phase(observer, "the prompt", 0);
    let plain = PromptRun::new(transformer, tokens, &[])?;
    let other = compare
        .map(|tokens| PromptRun::new(transformer, tokens, &[]))
        .transpose()?;
    let replaced: Vec<Replaced<T>> = question
        .ablate
        .iter()
        .map(|ablated| replaced(ablated, &plain, other.as_ref()))
        .collect::<Result<_>>()?;
    let before = plain.next()?;
    let changes = !replaced.is_empty();
    let now = if changes {
        PromptRun::new(transformer, tokens, &replaced)?.next()?
    } else {
        before.clone()
    };
    let after_other = other.as_ref().map(PromptRun::next).transpose()?;

    let token_text = |id: u32| TokenText {
        id,
        text: text_of(tokenizer, &[id]),
    };
    let mut order: Vec<usize> = (0..now.len()).collect();
    order.sort_by(|&a, &b| now[b].total_cmp(&now[a]).then(a.cmp(&b)));
    let next = order.iter().take(question.top).map(|&id| NextToken {
        token: token_text(id as u32),
        probability: now[id].exp(),
        before: changes.then(|| before[id].exp()),
        compare: after_other.as_ref().map(|other| other[id].exp()),
    });
    let written = if question.generate > 0 {
        let written = write(
            transformer,
            tokenizer,
            tokens,
            (&replaced, question.generate),
            observer,
        )?;
        Some(text_of(tokenizer, &written))
    } else {
        None
    };
    Ok(PromptReport {
        tokens: tokens.iter().map(|&id| token_text(id)).collect(),
        tokens_compare: compare
            .unwrap_or_default()
            .iter()
            .map(|&id| token_text(id))
            .collect(),
        ablated: question
            .ablate
            .iter()
            .map(|ablated| format!("{} by {:?}", ablated.node, ablated.by))
            .collect(),
        next: next.collect(),
        kl: changes.then(|| kl(&before, &now)),
        kl_compare: after_other.map(|other| kl(&before, &other)),
        written,
        warnings: Vec::new(),
    })
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
        Instead::Zero => Substitute::Everywhere(vec![T::ZERO; width]),
        Instead::Mean => {
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
        Instead::Patch => {
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

/// The most likely tokens after a prompt, one after the other, up to the one that ends a text.
fn write<T: Real>(
    transformer: &Transformer<'_, T>,
    tokenizer: Option<&Tokenizer>,
    prompt: &[u32],
    (replaced, count): (&[Replaced<T>], usize),
    observer: &dyn Observer,
) -> Result<Vec<u32>> {
    phase(observer, "text", count as u64);
    let config = transformer.config();
    let mut tokens = prompt.to_vec();
    for done in 1..=count {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let next = PromptRun::new(transformer, &tokens, replaced)?.next()?;
        let best = (0..next.len())
            .rev()
            .max_by(|&a, &b| next[a].total_cmp(&next[b]));
        let Some(best) = best.map(|best| best as u32) else {
            break;
        };
        if tokenizer.and_then(Tokenizer::eos) == Some(best) {
            break;
        }
        tokens.push(best);
        if tokens.len() >= config.n_ctx || best as usize >= config.d_vocab {
            break;
        }
        observer.event(Event::Step {
            done: done as u64,
            note: String::new(),
        });
    }
    Ok(tokens.split_off(prompt.len()))
}

/// KL divergence of a distribution from another one, from logarithms of probabilities.
fn kl(from: &[f64], to: &[f64]) -> f64 {
    let terms = from.iter().zip(to).filter(|(from, _)| from.exp() > 0.0);
    terms.map(|(from, to)| from.exp() * (from - to)).sum()
}
