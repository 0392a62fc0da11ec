//! Changes of subjects' streams by inverses of maps, and how often the model then says the other object.

use rayon::prelude::*;

use super::found::LinearMap;
use super::inverse::LowRankInverse;
use super::known::{EvaluatedSubjects, SubjectPair, SubjectRuns, best};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// Subjects with the exchanges that are tried.
#[derive(Clone, Copy)]
pub(super) struct Exchanged<'k, 't, 'a, T> {
    pub known: &'k SubjectRuns<'t, 'a, T>,
    pub exchanges: &'k [SubjectPair],
}

/// A layer with the best of some ranks.
#[derive(Debug, Clone)]
pub(super) struct Edited {
    pub rank: usize,
    /// Shares of discovery subjects by rank.
    pub by_rank: Vec<f64>,
    /// By the discovery subjects that choose.
    pub discovery: EvaluatedSubjects,
    /// By the held-out ones.
    pub held_out: EvaluatedSubjects,
    /// What is added to each.
    pub changes: Vec<Vec<f64>>,
}

/// Changes by the inverses of a map, `[ranks][exchanges][d_model]`.
type ByRank = Vec<Vec<Vec<f64>>>;

/// The best rank of every map by the subjects that choose, and its share of those that judge.
///
/// # Complexity
/// A singular value decomposition for each layer, and a forward pass of the rows that prompts do not share for each layer,
/// rank and subject.
pub(super) fn sweep<T: Real>(
    maps: &[LinearMap],
    sets: [Exchanged<'_, '_, '_, T>; 2],
    ranks: &[usize],
    observer: &dyn Observer,
) -> Result<Vec<Edited>> {
    phase(observer, "inverses", 0);
    let wanted = sets.map(|it| it.wanted());
    let changes: Vec<[ByRank; 2]> = maps
        .par_iter()
        .map(|map| {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let inverse = LowRankInverse::new(&map.weight, map.bias.len())?;
            Ok([0, 1].map(|set| by_rank(&inverse, &wanted[set], ranks)))
        })
        .collect::<Result<_>>()?;
    phase(observer, "edits", maps.len() as u64);
    let mut found = Vec::with_capacity(maps.len());
    for (map, [choosing, judging]) in maps.iter().zip(changes) {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let mut tried = sets[0].with_added(map.layer, &choosing)?;
        let best = best(&tried);
        let changes = judging[best].clone();
        let mut held_out = sets[1].with_added(map.layer, std::slice::from_ref(&changes))?;
        found.push(Edited {
            rank: ranks[best],
            by_rank: tried.iter().map(|it| it.share.share).collect(),
            discovery: tried.swap_remove(best),
            held_out: held_out.swap_remove(0),
            changes,
        });
        observer.event(Event::Step {
            done: found.len() as u64,
            note: String::new(),
        });
    }
    Ok(found)
}

fn by_rank(inverse: &LowRankInverse, wanted: &[Vec<f64>], ranks: &[usize]) -> ByRank {
    let mut found = vec![Vec::with_capacity(wanted.len()); ranks.len()];
    for wanted in wanted {
        for (found, change) in found.iter_mut().zip(inverse.times(wanted, ranks)) {
            found.push(change);
        }
    }
    found
}

impl<T: Real> Exchanged<'_, '_, '_, T> {
    /// `o' - o` of every exchange.
    pub(super) fn wanted(&self) -> Vec<Vec<f64>> {
        let objects = self.known.objects();
        let d_model = objects.len() / self.known.len().max(1);
        let object = |of: usize| &objects[of * d_model..(of + 1) * d_model];
        let exchanges = self.exchanges.iter();
        exchanges
            .map(|it| {
                let pairs = object(it.with).iter().zip(object(it.of));
                pairs.map(|(with, of)| with - of).collect()
            })
            .collect()
    }

    /// What the model says with each of some ways of changes added to the streams after a layer.
    pub(super) fn with_added(
        &self,
        layer: usize,
        ways: &[Vec<Vec<f64>>],
    ) -> Result<Vec<EvaluatedSubjects>> {
        let streams = self.known.streams(layer);
        let d_model = streams.len() / self.known.len().max(1);
        let changed = |way: &Vec<Vec<f64>>| {
            let pairs = self.exchanges.iter().zip(way);
            pairs
                .map(|(exchange, change)| {
                    let stream = &streams[exchange.of * d_model..(exchange.of + 1) * d_model];
                    stream.iter().zip(change).map(|(a, b)| a + b).collect()
                })
                .collect()
        };
        let ways: Vec<Vec<Vec<f64>>> = ways.iter().map(changed).collect();
        self.known.exchanged(layer, self.exchanges, &ways)
    }
}
