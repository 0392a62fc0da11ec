//! What the target prompt goes on with when it is given the representations of some texts.

use super::parameters::DecodeLayer;
use super::report::{DecodedLayer, DecodedText};
use super::run::Source;
use crate::analyze::{AffineMap, text_of};
use crate::engine::{Continuation, Overwrite, Rerun};
use crate::error::Result;
use crate::events::{Event, Observer};
use crate::model::{Real, Tokenizer};

/// How texts are read out.
pub(super) struct Writing<'w, 't, 'a, T> {
    pub target: &'w Rerun<'t, 'a, T>,
    pub position: usize,
    pub source_layers: &'w [usize],
    pub decode_layer: DecodeLayer,
    pub continuation: Continuation,
    pub tokenizer: Option<&'w Tokenizer>,
    pub observer: &'w dyn Observer,
}

impl<T: Real> Writing<'_, '_, '_, T> {
    /// What each source's representations say, `streams` being `[sources][layers][d_model]`.
    ///
    /// # Complexity
    /// For each source and source layer a forward pass of the positions from the placeholder on, and of a row for each token.
    pub(super) fn decoded(
        &self,
        sources: &[Source],
        streams: &[Vec<Vec<T>>],
        map: impl Fn(usize, usize) -> Option<AffineMap<T>>,
    ) -> Result<Vec<DecodedText>> {
        let text = |tokens: &[u32]| text_of(self.tokenizer, tokens);
        let last = self.target.positions(0) - 1;
        let layers = self.source_layers;
        // After the last layer, the scored position as it is.
        let end = layers.len().checked_sub(1).map_or(0, |index| layers[index]);
        let as_is = self.target.stream(0, last, end).map(<[T]>::to_vec);
        let as_is = as_is.map(|values| Overwrite {
            prompt: 0,
            position: last,
            values,
        });
        let as_is: Vec<Overwrite<T>> = as_is.into_iter().collect();
        let written = self
            .target
            .generate(end, &as_is, self.continuation, self.observer)?;
        let unpatched = text(written.first().map_or(&[][..], Vec::as_slice));
        let mut decoded: Vec<DecodedText> = sources
            .iter()
            .map(|source| DecodedText {
                text: text(&source.tokens),
                token: text(&source.tokens[source.tokens.len().saturating_sub(1)..]),
                unpatched: unpatched.clone(),
                layers: Vec::new(),
            })
            .collect();
        for (done, &layer) in layers.iter().enumerate() {
            let target = match self.decode_layer {
                DecodeLayer::Same => layer,
                DecodeLayer::Layer(target) => target,
            };
            let map = map(layer, target);
            let changes: Vec<Overwrite<T>> = streams
                .iter()
                .map(|streams| Overwrite {
                    prompt: 0,
                    position: self.position,
                    values: map
                        .as_ref()
                        .map_or_else(|| streams[layer].clone(), |map| map.apply(&streams[layer])),
                })
                .collect();
            let written =
                self.target
                    .generate(target, &changes, self.continuation, self.observer)?;
            for (decoded, written) in decoded.iter_mut().zip(&written) {
                decoded.layers.push(DecodedLayer {
                    source: layer,
                    target,
                    says: text(written),
                });
            }
            self.observer.event(Event::Step {
                done: done as u64 + 1,
                note: format!("layer {layer}"),
            });
        }
        Ok(decoded)
    }
}
