//! Prompts looked at through the lenses.

use super::attribution::{Attributed, attribute};
use super::parameters::Lens;
use super::report::{DrawnPrompt, LensReport, LensScores, SiteScores};
use super::seen::{LensPrediction, LensReadings, Reader, TrackedTokens};
use super::tuned::TunedLens;
use crate::analyze::text_of;
use crate::engine::{SequencePositions, StreamSite, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::{Effect, Share};
use crate::events::{Event, Observer, phase};
use crate::model::{Real, Tokenizer};

/// Prompts that are run together.
const TOGETHER: usize = 16;

/// A prompt to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LensPrompt {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// The scored position.
    pub at: usize,
    /// The tokens tracked; none follows the model's prediction.
    pub follow: Vec<u32>,
    /// Tokens whose mean logit is subtracted where a logit is attributed.
    pub minus: Vec<u32>,
}

/// What is looked at, and how.
#[derive(Clone, Copy)]
pub struct LensTask<'t> {
    /// The prompts.
    pub prompts: &'t [LensPrompt],
    /// What is tracked, in words.
    pub tracked: &'t str,
    /// Resamples of intervals.
    pub bootstrap: usize,
    /// Number of random differences of tokens to compare attributions with.
    pub random_baselines: usize,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<&'t Tokenizer>,
}

/// Reads the streams of prompts at every site: at the scored position of all of them, and at every position of those
/// drawn.
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Panics
/// When there is no prompt, or a prompt is empty or longer than the model reads.
///
/// # Complexity
/// One forward pass, one more with `attribution`, and a product with the unembedding for every site and position looked
/// at; twice as many with a tuned lens.
pub fn look<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &LensTask<'_>,
    question: &Lens,
    tuned: Option<&TunedLens<T>>,
    observer: &dyn Observer,
) -> Result<LensReport> {
    let places = transformer.places(question.after_attention);
    let reader = Reader {
        transformer,
        tokenizer: task.tokenizer,
        top: question.top,
    };
    let (looks, said) = at_read(&reader, task, &places, tuned, observer)?;
    let figures = places.iter().enumerate().map(|(at, place)| {
        let tuned = looks.tuned.get(at);
        SiteScores {
            place: place.to_string(),
            blocks: place.blocks(),
            logit_lens: figures(&looks.seen[at], task.bootstrap),
            other_prompt_probability: (!others(task.prompts, 0).is_empty())
                .then(|| mean(&looks.others[at])),
            tuned_lens: tuned.map(|seen| figures(seen, task.bootstrap)),
        }
    });
    let places_seen: Vec<SiteScores> = figures.collect();
    phase(observer, "drawn prompts", question.drawn as u64);
    let mut drawn = Vec::new();
    for prompt in task.prompts.iter().take(question.drawn) {
        drawn.push(draw(&reader, prompt, &places, tuned)?);
        step(observer, drawn.len())?;
    }
    let attribution = if question.attribution {
        let prompts = task.prompts.iter().zip(said);
        let prompts: Vec<Attributed<'_>> = prompts
            .map(|(prompt, said)| Attributed {
                tokens: &prompt.tokens,
                at: prompt.at,
                of: if prompt.follow.is_empty() {
                    vec![said]
                } else {
                    prompt.follow.clone()
                },
                minus: prompt.minus.clone(),
            })
            .collect();
        let sizes = (task.bootstrap, task.random_baselines);
        Some(attribute(transformer, &prompts, sizes, observer)?)
    } else {
        None
    };
    Ok(LensReport {
        prompts: task.prompts.len(),
        tracked: task.tracked.to_owned(),
        places: places_seen,
        drawn,
        attribution,
        tuned: None,
        warnings: Vec::new(),
    })
}

/// What is seen at the scored position of each prompt, and the model's prediction there.
fn at_read<T: Real>(
    reader: &Reader<'_, '_, T>,
    task: &LensTask<'_>,
    places: &[StreamSite],
    tuned: Option<&TunedLens<T>>,
    observer: &dyn Observer,
) -> Result<(LensReadings, Vec<u32>)> {
    phase(observer, "prompts", task.prompts.len() as u64);
    let mut streams = vec![Vec::new(); places.len()];
    let mut done = 0;
    for prompts in task.prompts.chunks(TOGETHER) {
        let at: Vec<[usize; 1]> = prompts.iter().map(|prompt| [prompt.at]).collect();
        let looked = prompts.iter().zip(&at);
        let looked: Vec<SequencePositions<'_>> = looked
            .map(|(prompt, at)| (&prompt.tokens[..], &at[..]))
            .collect();
        let found = reader.transformer.streams(&looked, places)?;
        for (streams, found) in streams.iter_mut().zip(found) {
            streams.extend(found);
        }
        done += prompts.len();
        step(observer, done)?;
    }
    let tracked = task
        .prompts
        .iter()
        .enumerate()
        .map(|(index, prompt)| TrackedTokens {
            tokens: prompt.follow.clone(),
            others: others(task.prompts, index).to_vec(),
        });
    let tracked: Vec<TrackedTokens> = tracked.collect();
    let looks = reader.look(&streams, &tracked, (places, tuned))?;
    let finals = looks.seen.last().map_or(&[][..], Vec::as_slice);
    let said = finals.iter().map(|seen| seen.top[0].token).collect();
    Ok((looks, said))
}

/// What the next prompt that follows something else follows.
fn others(prompts: &[LensPrompt], index: usize) -> &[u32] {
    let own = &prompts[index].follow;
    let after = prompts[index..].iter().chain(&prompts[..index]);
    let other = after
        .map(|prompt| &prompt.follow)
        .find(|follow| *follow != own);
    other.map_or(&[], Vec::as_slice)
}

fn draw<T: Real>(
    reader: &Reader<'_, '_, T>,
    prompt: &LensPrompt,
    places: &[StreamSite],
    tuned: Option<&TunedLens<T>>,
) -> Result<DrawnPrompt> {
    let every: Vec<usize> = (0..prompt.tokens.len()).collect();
    let streams = reader
        .transformer
        .streams(&[(&prompt.tokens, &every)], places)?;
    let tracked = TrackedTokens {
        tokens: prompt.follow.clone(),
        others: Vec::new(),
    };
    let looks = reader.look(&streams, &vec![tracked; every.len()], (places, tuned))?;
    let text = |tokens: &[u32]| -> Vec<String> {
        tokens
            .iter()
            .map(|&token| text_of(reader.tokenizer, &[token]))
            .collect()
    };
    Ok(DrawnPrompt {
        tokens: text(&prompt.tokens),
        read: prompt.at,
        tracked: text(&prompt.follow),
        places: places.iter().map(ToString::to_string).collect(),
        logit_lens: looks.seen,
        tuned_lens: looks.tuned,
    })
}

fn figures(seen: &[LensPrediction], bootstrap: usize) -> LensScores {
    let effect = |of: &dyn Fn(&LensPrediction) -> f64| {
        let values: Vec<f64> = seen.iter().map(of).collect();
        Effect::of(&values, bootstrap)
    };
    let mut ranks: Vec<usize> = seen.iter().map(|it| it.rank).collect();
    ranks.sort_unstable();
    let middle = ranks.len() / 2;
    let median = if ranks.len().is_multiple_of(2) {
        f64::midpoint(ranks[middle - 1] as f64, ranks[middle] as f64)
    } else {
        ranks[middle] as f64
    };
    LensScores {
        kl: effect(&|it| it.kl),
        probability: effect(&|it| it.probability),
        reciprocal_rank: effect(&|it| 1.0 / it.rank as f64),
        median_rank: median,
        top1: Share::of(ranks.iter().map(|&rank| rank == 1)),
    }
}

fn step(observer: &dyn Observer, done: usize) -> Result<()> {
    if observer.interrupted() {
        return Err(Error::Interrupted);
    }
    observer.event(Event::Step {
        done: done as u64,
        note: String::new(),
    });
    Ok(())
}
