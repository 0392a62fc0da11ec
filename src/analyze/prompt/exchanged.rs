//! Tokens' directions swapped in the stream of a prompt while it is computed.

use super::parameters::{DirectionSwap, SwapPosition};
use crate::analyze::edit::{Change, Directions, SwapSite};
use crate::engine::{RowPlaces, Splice, Transformer};
use crate::error::{Error, Result};
use crate::graph::Representation;
use crate::model::Real;

/// Swaps with their tokens and these tokens' directions.
pub(super) struct Exchanged<'q> {
    exchanges: Vec<(&'q DirectionSwap, [u32; 2], Directions)>,
    /// The last position of the prompt.
    last: usize,
}

impl<'q> Exchanged<'q> {
    /// The swaps of a prompt of some positions, `tokens` being those that go and come.
    ///
    /// # Errors
    /// When a layer or a position does not exist.
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        (exchanges, tokens): (&'q [DirectionSwap], &[[u32; 2]]),
        positions: usize,
    ) -> Result<Self> {
        let n_layers = transformer.heads().n_layers;
        let mut found = Vec::new();
        for (exchange, &tokens) in exchanges.iter().zip(tokens) {
            if let Some(layer) = exchange.layers.iter().find(|layer| **layer >= n_layers) {
                return Err(Error::Usage(format!(
                    "there is no layer {layer}: the model has {n_layers}, counted from 0"
                )));
            }
            if let SwapPosition::Position(position) = exchange.at
                && position >= positions
            {
                return Err(Error::Usage(format!(
                    "there is no position {position}: the prompt has {positions} tokens, counted from 0"
                )));
            }
            let directions = Directions::new(transformer, exchange.vector, tokens.into_iter());
            found.push((exchange, tokens, directions));
        }
        Ok(Self {
            exchanges: found,
            last: positions - 1,
        })
    }
}

impl<T: Real> Splice<T> for Exchanged<'_> {
    fn splice(&self, (layer, of): (usize, Representation), rows: &mut [T], places: &RowPlaces) {
        if of != Representation::Stream {
            return;
        }
        let Some(width) = rows.len().checked_div(places.positions.len()) else {
            return;
        };
        for (exchange, [from, to], directions) in &self.exchanges {
            if !exchange.layers.contains(&layer) {
                continue;
            }
            let change = Change {
                directions,
                layers: &exchange.layers,
                scale: exchange.scale,
                strength: exchange.strength,
                instead: None,
            };
            for (row, &position) in rows.chunks_exact_mut(width).zip(&places.positions) {
                let here = match exchange.at {
                    SwapPosition::Last => position == self.last,
                    SwapPosition::Position(at) => position == at,
                    SwapPosition::Every => true,
                };
                if here {
                    let place = SwapSite {
                        position,
                        original: *from,
                        replacement: *to,
                    };
                    change.apply(row, &place);
                }
            }
        }
    }
}
