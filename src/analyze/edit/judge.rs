//! Held-out prompts as they are and changed, with their predictions.

use super::change::{Change, SwapPrompt};
use super::changed::{Changed, changed};
use super::report::{SwapResult, SwapScores, TokenChange};
use super::sweep::{Answered, Changing};
use crate::analyze::prediction::Prediction;
use crate::analyze::text_of;
use crate::engine::mean;
use crate::error::Result;
use crate::evaluate::Effect;
use crate::model::{Real, Tokenizer};

/// Characters of a prompt that are listed.
const PROMPT: usize = 120;

/// Predictions as prompts are and changed.
pub(super) struct SwapComparison {
    /// As they are.
    pub before: Vec<Answered>,
    /// KL(unchanged, changed) of each.
    pub kl: Vec<f64>,
    /// 1 where the most likely token stays.
    pub kept: Vec<f64>,
    /// Details of the first ones.
    pub listed: Vec<SwapResult>,
}

impl<T: Real> Changing<'_, '_, T> {
    /// Compares the predictions of items, as they are and changed, and lists the first ones.
    pub(super) fn compared(
        &self,
        items: &[SwapPrompt],
        change: Change<'_>,
        (listed, top): (usize, usize),
        tokenizer: Option<&Tokenizer>,
    ) -> Result<SwapComparison> {
        let mut found = SwapComparison {
            before: Vec::new(),
            kl: Vec::new(),
            kept: Vec::new(),
            listed: Vec::new(),
        };
        self.groups(items, |run, group| {
            let logits = run.logits()?;
            let width = logits.len() / group.len();
            for (prompt, (item, logits)) in group.iter().zip(logits.chunks_exact(width)).enumerate()
            {
                let one = Changed {
                    prompt,
                    item,
                    change,
                };
                let (after, _) = changed(run, &[one])?;
                let (before, after) = (Prediction::new(logits), Prediction::new(&after));
                let kl = before.kl(&after);
                found.before.push(Answered::new(&before, item, 0.0));
                found.kl.push(kl);
                found.kept.push(f64::from(before.top() == after.top()));
                if found.listed.len() < listed {
                    let text = |token: u32| text_of(tokenizer, &[token]);
                    let token = |token: u32| TokenChange {
                        token: text(token),
                        probability: [&before, &after].map(|it| it.log_probability(token).exp()),
                        rank: [&before, &after].map(|it| it.rank(token)),
                    };
                    let first = |of: &Prediction<'_, T>| {
                        let tokens = of.first(top).into_iter();
                        tokens.map(|(token, share)| (text(token), share)).collect()
                    };
                    found.listed.push(SwapResult {
                        prompt: end_of(&text_of(tokenizer, &item.tokens)),
                        original: token(item.original),
                        replacement: token(item.replacement),
                        top_before: first(&before),
                        top_after: first(&after),
                        kl,
                    });
                }
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// Means of what items say.
pub(super) fn outcome(answers: &[Answered], bootstrap: usize) -> SwapScores {
    let effect = |of: fn(&Answered) -> f64| Effect::of(&values(answers, of), bootstrap);
    SwapScores {
        success: Effect::share(&values(answers, |it| it.success)),
        original: effect(|it| it.original),
        replacement: effect(|it| it.replacement),
    }
}

pub(super) fn values(answers: &[Answered], of: fn(&Answered) -> f64) -> Vec<f64> {
    answers.iter().map(of).collect()
}

pub(super) fn mean_of(answers: &[Answered], of: fn(&Answered) -> f64) -> f64 {
    mean(&values(answers, of))
}

/// The end of a text.
fn end_of(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters[characters.len().saturating_sub(PROMPT)..]
        .iter()
        .collect()
}
