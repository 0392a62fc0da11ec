//! How often maps decode to the model's prediction, by layer and factor.

use super::found::LinearMap;
use super::known::{EvaluatedSubjects, SubjectRuns, best};
use crate::error::Result;
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// A layer with the best of some factors.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    pub beta: f64,
    /// Shares of discovery subjects by factor.
    pub by_beta: Vec<f64>,
    /// By the discovery subjects that choose.
    pub discovery: EvaluatedSubjects,
    /// By the held-out ones.
    pub held_out: EvaluatedSubjects,
}

/// The best factor of every map by the subjects that choose, and its share of those that judge.
///
/// # Complexity
/// All logits of a row for each layer, factor and subject.
pub(super) fn sweep<T: Real>(
    maps: &[LinearMap],
    [choosing, judging]: [&SubjectRuns<'_, '_, T>; 2],
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
        let mut tried = choosing.agreement(&finals)?;
        let best = best(&tried);
        let products = map.products(&judging.streams(map.layer));
        let mut held_out = judging.agreement(&map.decoded(&products, betas[best]))?;
        found.push(Decoded {
            beta: betas[best],
            by_beta: tried.iter().map(|it| it.share.share).collect(),
            discovery: tried.swap_remove(best),
            held_out: held_out.swap_remove(0),
        });
        observer.event(Event::Step {
            done: found.len() as u64,
            note: String::new(),
        });
    }
    Ok(found)
}
