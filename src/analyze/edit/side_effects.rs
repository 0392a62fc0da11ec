//! What swaps of tokens do where they have nothing to do.

use super::change::{Change, SwapPrompt, SwapSite};
use super::changed::{Changed, changed};
use super::report::{EditedText, OtherPrompts};
use super::sweep::Changing;
use crate::analyze::prediction::Prediction;
use crate::engine::{Prompt, Rerun, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::phase;
use crate::model::Real;

/// Pairs of tokens that are swapped in text.
const PAIRS: usize = 4;

impl<T: Real> Changing<'_, '_, T> {
    /// Each item with the tokens of the next one that has other tokens.
    pub(super) fn other_prompts(
        &self,
        items: &[SwapPrompt],
        [change, random]: [Change<'_>; 2],
        bootstrap: usize,
    ) -> Result<Option<OtherPrompts>> {
        phase(self.observer, "other prompts", 0);
        let count = items.len();
        let mixed: Vec<SwapPrompt> = (0..count)
            .filter_map(|item| {
                let own = [items[item].original, items[item].replacement];
                let mut after = (1..count).map(|step| &items[(item + step) % count]);
                let other =
                    after.find(|it| !own.contains(&it.original) && !own.contains(&it.replacement));
                Some(items[item].with_tokens_of(other?))
            })
            .collect();
        if mixed.is_empty() {
            return Ok(None);
        }
        let compared = |change| self.compared(&mixed, change, (0, 0), None);
        let (changed, randomly) = (compared(change)?, compared(random)?);
        let effect = |values: &[f64]| Effect::of(values, bootstrap);
        Ok(Some(OtherPrompts {
            examples: mixed.len(),
            kl: effect(&changed.kl),
            kept: Effect::share(&changed.kept),
            kl_random: effect(&randomly.kl),
            kept_random: Effect::share(&randomly.kept),
        }))
    }

    /// Perplexities of text with the tokens of some items swapped at every position.
    pub(super) fn text(
        &self,
        passages: &[Vec<u32>],
        items: &[SwapPrompt],
        [change, random]: [Change<'_>; 2],
    ) -> Result<Option<EditedText>> {
        phase(self.observer, "text", passages.len() as u64);
        let pairs: Vec<SwapSite> = items
            .iter()
            .filter_map(|item| item.places.first().copied())
            .take(PAIRS)
            .collect();
        if passages.is_empty() || pairs.is_empty() {
            return Ok(None);
        }
        let mut before = Vec::new();
        let mut after = Vec::new();
        let mut randomly = Vec::new();
        for passage in passages {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let every: Vec<usize> = (0..passage.len() - 1).collect();
            let prompt = Prompt {
                tokens: &passage[..passage.len() - 1],
                reads: &every,
            };
            let run = Rerun::new(self.transformer, &[prompt], None)?;
            let losses = |logits: &[T]| -> Vec<f64> {
                let rows = logits.chunks_exact(logits.len() / every.len());
                let rows = rows.zip(&passage[1..]);
                rows.map(|(logits, &token)| -Prediction::new(logits).log_probability(token))
                    .collect()
            };
            before.extend(losses(&run.logits()?));
            for &pair in &pairs {
                let places = every.iter().map(|&position| SwapSite { position, ..pair });
                let item = SwapPrompt {
                    tokens: passage[..passage.len() - 1].to_vec(),
                    original: pair.original,
                    replacement: pair.replacement,
                    places: places.collect(),
                };
                let with = |change: Change<'_>| -> Result<Vec<f64>> {
                    let one = Changed {
                        prompt: 0,
                        item: &item,
                        change,
                    };
                    Ok(losses(&changed(&run, &[one])?.0))
                };
                after.extend(with(change)?);
                randomly.extend(with(random)?);
            }
        }
        let perplexity = |losses: &[f64]| mean(losses).exp();
        Ok(Some(EditedText {
            tokens: before.len(),
            pairs: pairs.len(),
            before: perplexity(&before),
            after: perplexity(&after),
            random: perplexity(&randomly),
        }))
    }
}
