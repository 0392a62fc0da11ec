//! Maps between a model's layers, fitted on text.

use super::ridge::{AffineMap, Regression};
use crate::engine::{Prompt, Rerun, Transformer};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

/// Maps from source layers, fitted on text.
pub(super) struct Fit {
    source_layers: Vec<usize>,
    regressions: Vec<Regression>,
    /// The stream that leaves each layer at every position of the text, `[layers][positions * d_model]`.
    rows: Vec<Vec<f64>>,
}

impl Fit {
    /// # Complexity
    /// One forward pass of the text; for each source layer products and an inverse of `d_model` columns.
    pub(super) fn new<T: Real>(
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
                for position in 0..passage.len() {
                    let stream = run.stream(0, position, layer).unwrap_or_default();
                    rows.extend(stream.iter().map(|value| value.to_f64()));
                }
            }
        }
        let regressions = source_layers
            .iter()
            .map(|&layer| Regression::new(&rows[layer], shape.d_model, penalty))
            .collect::<Result<_>>()?;
        Ok(Self {
            source_layers: source_layers.to_vec(),
            regressions,
            rows,
        })
    }

    /// The maps of all source layers to a layer.
    pub(super) fn all_to(&self, layer: usize) -> Vec<AffineMap> {
        let regressions = self.regressions.iter();
        regressions.map(|it| it.to(&self.rows[layer])).collect()
    }

    /// The map from a source layer to a layer.
    pub(super) fn map(&self, from: usize, to: usize) -> AffineMap {
        let place = self.source_layers.iter().position(|&layer| layer == from);
        self.regressions[place.unwrap_or(0)].to(&self.rows[to])
    }
}
