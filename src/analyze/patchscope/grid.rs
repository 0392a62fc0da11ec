//! What the target prompt says for every source, from every layer and to every layer.

use rayon::prelude::*;

use crate::analyze::AffineMap;
use crate::analyze::prediction::Prediction;
use crate::engine::{Overwrite, Rerun, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::model::Real;

/// Runs that are made together at most.
const TOGETHER: usize = 64;

/// How one prediction was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TokenScore {
    /// 1 where the most likely token is an expected one, 0 elsewhere.
    pub hit: f64,
    /// Minus the log of the expected tokens' probability, in nats.
    pub surprisal: f64,
}

impl TokenScore {
    pub(super) fn new<T: Real>(prediction: &Prediction<'_, T>, expected: &[u32]) -> Self {
        Self {
            hit: f64::from(expected.contains(&prediction.top())),
            surprisal: -prediction.log_probability_of(expected),
        }
    }
}

/// The representations of some sources and what each is expected to say.
pub(super) struct Represented<T> {
    /// The stream after every layer, `[sources][layers][d_model]`.
    pub streams: Vec<Vec<Vec<T>>>,
    /// The tokens that each should say.
    pub expected: Vec<Vec<u32>>,
    /// Another source of each that should say another token, where there is one.
    pub others: Vec<Option<usize>>,
}

impl<T: Real> Represented<T> {
    pub(super) fn new(streams: Vec<Vec<Vec<T>>>, expected: Vec<Vec<u32>>) -> Self {
        let count = expected.len();
        let others = (0..count).map(|source| {
            let mut after = (1..count).map(|step| (source + step) % count);
            after.find(|&other| {
                expected[other]
                    .iter()
                    .all(|it| !expected[source].contains(it))
            })
        });
        Self {
            others: others.collect(),
            streams,
            expected,
        }
    }
}

/// Judgements of all runs.
pub(super) struct Grid {
    /// `[targets][sources][source layers]`.
    pub own: Vec<Vec<Vec<TokenScore>>>,
    /// The same by what the other source should have said; of the sources that have another.
    pub shuffled: Vec<Vec<Vec<TokenScore>>>,
}

/// Puts every representation into the target prompt.
pub(super) struct Sweep<'s, 't, 'a, T> {
    pub transformer: &'s Transformer<'a, T>,
    pub target: &'s Rerun<'t, 'a, T>,
    pub position: usize,
    pub source_layers: &'s [usize],
    pub observer: &'s dyn Observer,
}

impl<T: Real> Sweep<'_, '_, '_, T> {
    /// The judgements with representations put after `layer`, `[sources][source layers]`: by what they should say, and by
    /// what others should.
    ///
    /// # Complexity
    /// For each source and source layer a forward pass of the positions from the placeholder on, from the layer on.
    pub(super) fn to_layer(
        &self,
        layer: usize,
        represented: &Represented<T>,
        maps: Option<&[AffineMap<T>]>,
    ) -> Result<[Vec<Vec<TokenScore>>; 2]> {
        let positions = self.target.positions(0);
        let each = (positions - self.position, 1);
        let together = self.transformer.branches(positions, each, TOGETHER);
        let sources = represented.streams.len();
        let pairs: Vec<(usize, usize)> = (0..sources)
            .flat_map(|source| (0..self.source_layers.len()).map(move |from| (source, from)))
            .collect();
        let mut own = vec![Vec::new(); sources];
        let mut shuffled = vec![Vec::new(); sources];
        for pairs in pairs.chunks(together) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let change = |&(source, from): &(usize, usize)| {
                let stream = &represented.streams[source][self.source_layers[from]];
                Overwrite {
                    prompt: 0,
                    position: self.position,
                    values: maps.map_or_else(|| stream.clone(), |it| it[from].apply(stream)),
                }
            };
            let changes: Vec<Overwrite<T>> = pairs.iter().map(change).collect();
            let logits = self.target.overwritten(layer, &changes)?;
            let judged: Vec<(TokenScore, Option<TokenScore>)> = logits
                .par_chunks_exact(logits.len() / pairs.len())
                .zip(pairs)
                .map(|(logits, &(source, _))| {
                    let prediction = Prediction::new(logits);
                    let judge =
                        |source: usize| TokenScore::new(&prediction, &represented.expected[source]);
                    (judge(source), represented.others[source].map(judge))
                })
                .collect();
            for (&(source, _), (judgement, other)) in pairs.iter().zip(judged) {
                own[source].push(judgement);
                shuffled[source].extend(other);
            }
        }
        shuffled.retain(|of| !of.is_empty());
        Ok([own, shuffled])
    }

    /// The judgements of two sets of sources for all target layers.
    pub(super) fn grids(
        &self,
        target_layers: &[usize],
        represented: [&Represented<T>; 2],
        maps: impl Fn(usize) -> Option<Vec<AffineMap<T>>>,
    ) -> Result<[Grid; 2]> {
        let mut grids: [Grid; 2] = std::array::from_fn(|_| Grid {
            own: Vec::new(),
            shuffled: Vec::new(),
        });
        for (done, &layer) in target_layers.iter().enumerate() {
            let maps = maps(layer);
            for (grid, represented) in grids.iter_mut().zip(represented) {
                let [own, shuffled] = self.to_layer(layer, represented, maps.as_deref())?;
                grid.own.push(own);
                grid.shuffled.push(shuffled);
            }
            self.observer.event(Event::Step {
                done: done as u64 + 1,
                note: format!("layer {layer}"),
            });
        }
        Ok(grids)
    }
}

/// What the final norm and the unembedding alone make of every representation: the logit lens, or with maps to the last
/// layer a lens of these, `[sources][source layers]`.
pub(super) fn lens<T: Real>(
    transformer: &Transformer<'_, T>,
    source_layers: &[usize],
    represented: &Represented<T>,
    maps: Option<&[AffineMap<T>]>,
) -> Vec<Vec<TokenScore>> {
    let sources = represented.streams.iter().zip(&represented.expected);
    sources
        .map(|(streams, expected)| {
            let mut finals = Vec::new();
            for (from, &layer) in source_layers.iter().enumerate() {
                match maps {
                    Some(maps) => finals.extend(maps[from].apply(&streams[layer])),
                    None => finals.extend_from_slice(&streams[layer]),
                }
            }
            let logits = transformer.logits(&finals);
            let rows = logits.par_chunks_exact(logits.len() / source_layers.len());
            rows.map(|logits| TokenScore::new(&Prediction::new(logits), expected))
                .collect()
        })
        .collect()
}
