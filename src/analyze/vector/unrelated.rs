//! What a vector does to text that has nothing to do with it.

use super::report::{Passage, UnrelatedText};
use crate::analyze::random::{norm_of, random_vectors};
use crate::engine::{AddAt, Steering, Transformer, mean};
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::model::Real;

/// Perplexities of passages as they are, with the vector added at every position, and with its direction ablated.
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
