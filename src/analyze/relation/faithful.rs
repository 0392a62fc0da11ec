//! How often maps decode to what the model says, by layer and factor.

use super::found::LinearMap;
use super::known::Known;
use crate::analyze::Share;
use crate::error::Result;
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// A layer with the best of some factors.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    pub beta: f64,
    /// Shares of discovery subjects by factor.
    pub by_beta: Vec<f64>,
    pub discovery: Share,
    pub held_out: Share,
}

/// The best factor of every map by the subjects that choose, and its share of those that judge.
///
/// # Complexity
/// All logits of a row for each layer, factor and subject.
pub(super) fn sweep<T: Real>(
    maps: &[LinearMap],
    [choosing, judging]: [&Known<'_, '_, T>; 2],
    betas: &[f64],
    observer: &dyn Observer,
) -> Result<Vec<Decoded>> {
    phase(observer, "decoding", maps.len() as u64);
    let mut found = Vec::with_capacity(maps.len());
    for map in maps {
        let products = map.products(&choosing.streams(map.layer));
        let finals: Vec<T> = betas
            .iter()
            .flat_map(|&beta| map.decoded::<T>(&products, beta))
            .collect();
        let (_, shares) = choosing.agreement(&finals)?;
        let best = first_of_the_best(shares.iter().map(|share| share.count));
        let beta = betas[best];
        let products = map.products(&judging.streams(map.layer));
        let (_, held_out) = judging.agreement(&map.decoded(&products, beta))?;
        found.push(Decoded {
            beta,
            by_beta: shares.iter().map(|it| it.share).collect(),
            discovery: shares[best],
            held_out: held_out[0],
        });
        observer.event(Event::Step {
            done: found.len() as u64,
            note: String::new(),
        });
    }
    Ok(found)
}

/// The place of the first of the largest numbers; 0 of none.
pub(super) fn first_of_the_best(
    counts: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator,
) -> usize {
    let places = counts.enumerate().rev();
    places.max_by_key(|(_, count)| *count).map_or(0, |it| it.0)
}
