//! Prompts run again with what parts of blocks wrote in another run restored.

use std::iter::once;
use std::ops::Range;

use crate::engine::pass::changes::Changes;
use crate::engine::pass::intervention::{Intervention, Site};
use crate::engine::rerun::overwritten::Rerun;
use crate::error::Result;
use crate::model::Real;

/// A part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockPart {
    /// The attention: the results of all heads.
    Attention,
    /// The MLP.
    Mlp,
}

impl<T: Real> Rerun<'_, '_, T> {
    /// The logits of runs in which a part of the blocks of some layers writes, at one position, what it wrote at that
    /// position of the first prompt of another run; each prompt and position in a run of its own, read as by
    /// [`Self::overwritten`].
    ///
    /// # Errors
    /// When a logit is not finite.
    ///
    /// # Panics
    /// When there is no such layer or position.
    ///
    /// # Complexity
    /// One forward pass of the positions from those given on, from the first of the layers on, and one of the other run's
    /// first prompt through the layers.
    pub fn restored(
        &self,
        from: &Self,
        (layers, part): (Range<usize>, BlockPart),
        places: &[(usize, usize)],
    ) -> Result<Vec<T>> {
        let config = self.transformer.config();
        let layout = self.layout.branches(places.iter().copied());
        let x = self.entering_branches(places, layers.start);
        let mut set = Vec::new();
        for layer in layers.clone() {
            let site = match part {
                BlockPart::Mlp => Site::Mlp { layer },
                BlockPart::Attention => {
                    let heads = 0..config.n_heads;
                    Site::Heads { layer, heads }
                }
            };
            let reads_only = self.transformer.reads_only(layer);
            let (queries, values) = from.written(layer, part);
            let width = values.len() / queries.len().max(1);
            for (segment, &(_, position)) in layout.segments.iter().zip(places) {
                let Some(clean) = queries.iter().position(|&it| it == position) else {
                    // Nothing reads the last layer there.
                    continue;
                };
                let row = segment.range(reads_only).start;
                set.push(Intervention {
                    site: site.clone(),
                    rows: row..row + 1,
                    values: values[clean * width..(clean + 1) * width].to_vec(),
                });
            }
        }
        let changes = Changes {
            interventions: &set,
            ..Changes::none()
        };
        let rest = layers.start..config.n_layers;
        let run = self
            .transformer
            .blocks(rest, &layout, (x, &self.prefix), false, changes);
        self.finite_logits(run.streams.last().map_or(&[][..], Vec::as_slice))
    }

    /// What a part of a block wrote in the first prompt, and at which positions it was needed.
    fn written(&self, layer: usize, part: BlockPart) -> (Vec<usize>, Vec<T>) {
        let layout = self.layout.branches(once((0, 0)));
        let x = self.entering_branches(&[(0, 0)], layer);
        let which = layer..layer + 1;
        let input = (x, &self.prefix);
        let run = self
            .transformer
            .blocks(which, &layout, input, false, Changes::none());
        let written = run.layers.into_iter().next().unwrap_or_default();
        let values = match part {
            BlockPart::Mlp => written.mlp,
            BlockPart::Attention => written.z,
        };
        let reads_only = self.transformer.reads_only(layer);
        (layout.query_positions(reads_only), values)
    }
}
