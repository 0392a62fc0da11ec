//! What else predicts what the model predicts, or changes it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::edits::{Edited, Exchanged};
use super::found::LinearMap;
use super::known::SubjectRuns;
use super::report::{CausalBaselines, FaithfulBaselines};
use crate::analyze::random::{norm_of, random_vector};
use crate::engine::{Dense, mean};
use crate::error::{Error, Result};
use crate::evaluate::Share;
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// Prompts with which the model itself is asked otherwise.
pub(super) struct Otherwise<'p> {
    /// What the model says of discovery subjects.
    pub said_discovery: &'p [u32],
    /// The prompts of held-out subjects that the model answers correctly, without examples in front; empty where there are none.
    pub zero_shot: Vec<Vec<u32>>,
    /// The prompt without a subject.
    pub without_subject: Option<&'p [u32]>,
}

/// Scores that a map's share of held-out subjects stands beside.
///
/// # Complexity
/// A forward pass over prompts without examples, and all logits of a row for each subject and baseline.
pub(super) fn faithful<T: Real>(
    map: &LinearMap,
    beta: f64,
    [training, judging]: [&SubjectRuns<'_, '_, T>; 2],
    otherwise: &Otherwise<'_>,
    random: usize,
    observer: &dyn Observer,
) -> Result<FaithfulBaselines> {
    phase(observer, "random maps", random as u64);
    let transformer = judging.transformer;
    let layer = map.layer;
    let (streams, said) = (judging.streams(layer), &judging.said);
    let d_model = map.bias.len();
    let says = |prompts: &[Vec<u32>]| {
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        transformer.next_tokens(&prompts, observer)
    };
    let share = |tokens: &[u32]| Share::of(tokens.iter().zip(said).map(|(a, b)| a == b));
    let without = otherwise
        .without_subject
        .map(|tokens| says(&[tokens.to_vec()]));
    let without = without.transpose()?;
    let constant = |token: u32| Share::of(said.iter().map(|said| *said == token));
    let decoded = |finals: Vec<T>| -> Result<Share> { Ok(judging.agreement(&finals)?[0].share) };

    // The mean of o - s of the subjects that the map is made of.
    let translation = bias(&training.objects(), &training.streams(layer), d_model);
    let moved = streams.chunks_exact(d_model).flat_map(|row| {
        let pairs = row.iter().zip(&translation);
        pairs.map(|(stream, offset)| T::from_f64(stream + offset))
    });
    let own = map.products(&streams);
    let mut others = own.clone();
    for (subject, other) in cycle(said.len()) {
        let row = other * d_model..(other + 1) * d_model;
        others[subject * d_model..(subject + 1) * d_model].copy_from_slice(&own[row]);
    }
    let mut random_maps = Vec::with_capacity(random);
    for seed in 0..random as u64 {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let weight = random_vector(seed, d_model * d_model, map.norm());
        let products = |streams: &[f64]| {
            Dense::new(streams, d_model).times(Dense::new(&weight, d_model).transposed())
        };
        let random = LinearMap {
            layer,
            bias: bias(
                &training.objects(),
                &products(&training.streams(layer)),
                d_model,
            ),
            weight: Vec::new(),
        };
        random_maps.push(decoded(random.decoded(&products(&streams), beta))?.share);
        observer.event(Event::Step {
            done: seed + 1,
            note: String::new(),
        });
    }
    Ok(FaithfulBaselines {
        zero_shot: if otherwise.zero_shot.is_empty() {
            None
        } else {
            Some(share(&says(&otherwise.zero_shot)?))
        },
        without_subject: without.map(|tokens| constant(tokens[0])),
        most_common: constant(most_common(otherwise.said_discovery)),
        logit_lens: decoded(streams.iter().map(|&value| T::from_f64(value)).collect())?,
        translation: decoded(moved.collect())?,
        other_subject: decoded(map.decoded(&others, beta))?,
        random_maps,
    })
}

/// Scores that the share of held-out exchanges stands beside.
///
/// # Complexity
/// A forward pass of the rows that prompts do not share, from the layer on, for each exchange and baseline.
pub(super) fn causal<T: Real>(
    layer: usize,
    edited: &Edited,
    judging: Exchanged<'_, '_, '_, T>,
    random: usize,
    observer: &dyn Observer,
) -> Result<CausalBaselines> {
    phase(observer, "random changes", random as u64);
    let (known, exchanges) = (judging.known, judging.exchanges);
    let replaced: Vec<Vec<f64>> = exchanges
        .iter()
        .map(|it| {
            let stream = known.stream(layer, it.with).iter();
            stream.map(|value| value.to_f64()).collect()
        })
        .collect();
    let replaced = known.exchanged(layer, exchanges, &[replaced])?[0].share;
    let translation = judging.with_added(layer, &[judging.wanted()])?[0].share;
    let mut shares = Vec::with_capacity(random);
    for seed in 0..random {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let way: Vec<Vec<f64>> = edited
            .changes
            .iter()
            .enumerate()
            .map(|(index, change)| {
                let seed = (seed * exchanges.len() + index) as u64;
                random_vector(seed, change.len(), norm_of(change))
            })
            .collect();
        shares.push(judging.with_added(layer, &[way])?[0].share.share);
        observer.event(Event::Step {
            done: seed as u64 + 1,
            note: String::new(),
        });
    }
    Ok(CausalBaselines {
        replaced,
        translation,
        random: shares,
    })
}

/// The mean norm of changes as a share of the norms of the streams that they are added to.
pub(super) fn relative_norm<T: Real>(
    layer: usize,
    edited: &Edited,
    judging: Exchanged<'_, '_, '_, T>,
) -> f64 {
    let streams = judging.known.streams(layer);
    let pairs = judging.exchanges.iter().zip(&edited.changes);
    let shares: Vec<f64> = pairs
        .map(|(exchange, change)| {
            let stream = &streams[exchange.of * change.len()..(exchange.of + 1) * change.len()];
            norm_of(change) / norm_of(stream).max(f64::MIN_POSITIVE)
        })
        .collect();
    mean(&shares)
}

/// Every number with another one, by a random order: files are often in order of their objects.
fn cycle(count: usize) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for end in (1..count).rev() {
        order.swap(end, rng.random_range(0..=end));
    }
    let next = order.iter().cycle().skip(1);
    order.iter().copied().zip(next.copied()).collect()
}

/// The mean of `objects - products`, both `[rows, d_model]`.
fn bias(objects: &[f64], products: &[f64], d_model: usize) -> Vec<f64> {
    let mut bias = vec![0.0; d_model];
    let share = 1.0 / (objects.len() / d_model) as f64;
    let rows = objects
        .chunks_exact(d_model)
        .zip(products.chunks_exact(d_model));
    for (objects, products) in rows {
        for ((bias, object), product) in bias.iter_mut().zip(objects).zip(products) {
            *bias += share * (object - product);
        }
    }
    bias
}

/// The token that is there most often; the smallest of several.
fn most_common(tokens: &[u32]) -> u32 {
    let mut sorted = tokens.to_vec();
    sorted.sort_unstable();
    let runs = sorted.chunk_by(|a, b| a == b).rev();
    let longest = runs.max_by_key(|run| run.len());
    longest.map_or(0, |run| run[0])
}

#[cfg(test)]
mod tests {
    use super::{cycle, most_common};

    #[test]
    fn every_subject_has_another_one() {
        for count in [2, 3, 17] {
            let pairs = cycle(count);
            assert!(pairs.iter().all(|(subject, other)| subject != other));
            for side in [0, 1] {
                let mut all: Vec<usize> = pairs.iter().map(|it| [it.0, it.1][side]).collect();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
            }
        }
        assert_eq!(cycle(1), [(0, 0)]);
    }

    #[test]
    fn the_most_common_token_is_the_smallest_of_several() {
        assert_eq!(most_common(&[5, 3, 9, 3, 5, 1]), 3);
        assert_eq!(most_common(&[7]), 7);
    }
}
