//! Maps between a model's layers: fitted on text, or by a tuned lens.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::ridge::Regression;
use crate::analyze::AffineMap;
use crate::analyze::lens::TunedLens;
use crate::engine::{Prompt, Rerun, StreamSite, Transformer};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

/// First position of a passage that maps are fitted on: at the one before, the stream of many models is a hundred times longer
/// than elsewhere and always the same, so that a least-squares fit is of little else.
const FIRST: usize = 1;

/// Maps from source layers to other layers.
pub(super) struct Between {
    source_layers: Vec<usize>,
    by: By,
}

enum By {
    /// Regressions from the source layers.
    Ridge {
        regressions: Vec<Regression>,
        /// The stream after each layer at every position of the text but the first of each passage,
        /// `[layers][positions * d_model]`.
        rows: Vec<Vec<f64>>,
    },
    /// To the final stream by the source layer's map, and back by that of the target layer.
    Lens {
        lens: TunedLens<f64>,
        /// By target layer; the last has none.
        back: BTreeMap<usize, AffineMap<f64>>,
        width: usize,
    },
}

impl Between {
    /// Maps that are fitted by ridge regression.
    ///
    /// # Errors
    /// When no passage has two positions, the stream does not vary on them, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass of the text; for each source layer products and an inverse of `d_model` columns.
    pub(super) fn fitted<T: Real>(
        transformer: &Transformer<'_, T>,
        passages: &[Vec<u32>],
        (source_layers, penalty): (&[usize], f64),
        observer: &dyn Observer,
    ) -> Result<Self> {
        let shape = transformer.heads();
        let mut rows = vec![Vec::new(); shape.n_layers];
        for passage in passages {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let every: Vec<usize> = (0..passage.len()).collect();
            let prompt = Prompt {
                tokens: passage,
                reads: &every,
            };
            let run = Rerun::new(transformer, &[prompt], None)?;
            for (layer, rows) in rows.iter_mut().enumerate() {
                for position in FIRST..passage.len() {
                    let stream = run.stream(0, position, layer).unwrap_or_default();
                    rows.extend(stream.iter().map(|value| value.to_f64()));
                }
            }
        }
        if rows.iter().any(Vec::is_empty) {
            let problem = "no passage has a second token, and the first of each is left out; give longer text";
            return Err(Error::data("the text of `mapping`", problem));
        }
        let regressions = source_layers
            .iter()
            .map(|&layer| Regression::new(&rows[layer], shape.d_model, penalty))
            .collect::<Result<_>>()?;
        Ok(Self {
            source_layers: source_layers.to_vec(),
            by: By::Ridge { regressions, rows },
        })
    }

    /// Maps through a tuned lens: what it shows after the target layer is what it showed after the source layer.
    ///
    /// # Errors
    /// When the map of a target layer cannot be taken back.
    ///
    /// # Complexity
    /// For each target layer an inverse, and then for each source layer a product of `d_model` columns.
    pub(super) fn through(
        lens: &TunedLens<f64>,
        width: usize,
        (source_layers, target_layers): (&[usize], &[usize]),
    ) -> Result<Self> {
        let inverse = |&layer: &usize| -> Option<Result<(usize, AffineMap<f64>)>> {
            let map = lens.map(StreamSite::Layer(layer))?;
            let inverse = map.inverse().ok_or_else(|| {
                let problem = "it makes the same of several streams, so it does not say which one to put; leave the layer \
                               out of the target layers";
                Error::data(format!("the map of layer {layer} of the tuned lens"), problem)
            });
            Some(inverse.map(|inverse| (layer, inverse)))
        };
        Ok(Self {
            source_layers: source_layers.to_vec(),
            by: By::Lens {
                back: target_layers
                    .par_iter()
                    .filter_map(inverse)
                    .collect::<Result<_>>()?,
                lens: lens.clone(),
                width,
            },
        })
    }

    /// The maps of all source layers to a layer.
    pub(super) fn all_to<T: Real>(&self, layer: usize) -> Vec<AffineMap<T>> {
        let layers = self.source_layers.iter();
        layers.map(|&from| self.map(from, layer)).collect()
    }

    /// The map from a source layer to a target layer, or to the last.
    pub(super) fn map<T: Real>(&self, from: usize, to: usize) -> AffineMap<T> {
        match &self.by {
            By::Ridge { regressions, rows } => {
                let place = self.source_layers.iter().position(|&layer| layer == from);
                regressions[place.unwrap_or(0)].to(&rows[to]).cast()
            }
            By::Lens { lens, back, width } => {
                let map = match lens.map(StreamSite::Layer(from)) {
                    Some(map) if from != to => map.clone(),
                    _ => AffineMap::identity(*width),
                };
                match back.get(&to) {
                    Some(back) if from != to => map.then(back).cast(),
                    _ => map.cast(),
                }
            }
        }
    }
}
