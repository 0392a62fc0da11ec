//! What a tuned lens is worth, on text that it was not fitted on.

use serde::Serialize;

use super::maps::TunedLens;
use crate::analyze::lens::seen::Reader;
use crate::engine::{SequencePositions, StreamSite, Transformer};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::{Event, Observer, phase};
use crate::metric::divergence;
use crate::model::Real;

/// Scores of a tuned lens on held-out text: KL divergences of the model's output, in nats a token, means over contexts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TunedLensScores {
    /// Positions that it was fitted on; 0 where it comes from a file.
    pub fitted: usize,
    /// Contexts that these are in.
    #[serde(skip)]
    pub contexts_fitted: usize,
    /// Positions that the figures are of.
    pub judged: usize,
    /// Contexts that these are in.
    pub contexts: usize,
    /// By site.
    pub places: Vec<TunedPlace>,
}

/// Scores of one site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TunedPlace {
    /// The site.
    pub place: String,
    /// Blocks that ran before it.
    pub blocks: f64,
    /// Through the logit lens.
    pub logit_lens: Effect,
    /// Through the fitted map.
    pub fitted: Effect,
    /// Through the trained map, where it was trained.
    pub trained: Option<Effect>,
    /// The logit lens's minus that of the map as saved.
    pub improvement: Effect,
}

/// Judges a lens, and what it was before some maps were trained, at evenly spaced positions of contexts.
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Complexity
/// One forward pass, and for each position and site two or three products with the unembedding.
pub fn judge_lens<T: Real>(
    transformer: &Transformer<'_, T>,
    contexts: &[Vec<u32>],
    places: &[StreamSite],
    (lens, before): (&TunedLens<T>, &TunedLens<T>),
    (positions, bootstrap): (usize, usize),
    observer: &dyn Observer,
) -> Result<TunedLensScores> {
    let reader = Reader {
        transformer,
        tokenizer: None,
        top: 1,
    };
    let contexts = &contexts[..contexts.len().min(positions)];
    let each = (positions / contexts.len().max(1)).max(1);
    phase(observer, "judging the lens", contexts.len() as u64);
    let early = &places[..places.len() - 1];
    // By site: logit lens, fitted, as saved; by context.
    let mut means = vec![[Vec::new(), Vec::new(), Vec::new()]; early.len()];
    let mut judged = 0;
    for (index, context) in contexts.iter().enumerate() {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let count = each.min(context.len());
        let at: Vec<usize> = (0..count)
            .map(|it| (2 * it + 1) * context.len() / (2 * count))
            .collect();
        let looked: [SequencePositions<'_>; 1] = [(context, &at)];
        let streams = transformer.streams(&looked, places)?;
        let finals = reader.log_probabilities(streams.last().map_or(&[][..], Vec::as_slice))?;
        let mean = |streams: &[T]| -> Result<f64> {
            let here = reader.log_probabilities(streams)?;
            let divergences = finals
                .iter()
                .zip(&here)
                .map(|(finals, here)| divergence(finals, here));
            Ok(divergences.sum::<f64>() / count as f64)
        };
        for ((means, stream), &place) in means.iter_mut().zip(&streams).zip(early) {
            means[0].push(mean(stream)?);
            let fitted = mean(&before.translate(place, stream))?;
            means[1].push(fitted);
            means[2].push(if lens.map(place) == before.map(place) {
                fitted
            } else {
                mean(&lens.translate(place, stream))?
            });
        }
        judged += count;
        observer.event(Event::Step {
            done: index as u64 + 1,
            note: String::new(),
        });
    }
    let places = early
        .iter()
        .zip(&means)
        .map(|(&place, [logit, fitted, saved])| {
            let differences: Vec<f64> = logit.iter().zip(saved).map(|(a, b)| a - b).collect();
            TunedPlace {
                place: place.to_string(),
                blocks: place.blocks(),
                logit_lens: Effect::of(logit, bootstrap),
                fitted: Effect::of(fitted, bootstrap),
                trained: (lens.map(place) != before.map(place))
                    .then(|| Effect::of(saved, bootstrap)),
                improvement: Effect::of(&differences, bootstrap),
            }
        });
    Ok(TunedLensScores {
        fitted: 0,
        contexts_fitted: 0,
        judged,
        contexts: contexts.len(),
        places: places.collect(),
    })
}
