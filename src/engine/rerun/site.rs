//! One representation of a layer: taken at every position of text, and restored changed.

use crate::engine::pass::steering::Rewrite;

use crate::engine::kernels::rows;
use crate::engine::pass::changes::{Changes, RowPlaces};
use crate::engine::pass::forward::{FullRun, check_finite};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::graph::Representation;
use crate::model::Real;

impl<T: Real> Transformer<'_, T> {
    /// Numbers of a representation at a position.
    pub fn width_of(&self, representation: Representation) -> usize {
        match representation {
            Representation::Stream | Representation::Mlp => self.config().d_model,
            Representation::Heads => self.config().n_heads * self.config().d_head,
        }
    }

    /// A layer's representation at every position of some sequences, `[positions of all, width]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, a sequence is empty or longer than `n_ctx`, or there is no such layer.
    ///
    /// # Complexity
    /// One forward pass up to the layer.
    pub fn representation(
        &self,
        sequences: &[&[u32]],
        layer: usize,
        representation: Representation,
    ) -> Result<Vec<T>> {
        let (layout, x) = self.read_everywhere(sequences);
        let mut run = self.blocks(
            0..layer + 1,
            &layout,
            (x, &Prefix::default()),
            false,
            Changes::none(),
        );
        check_finite(&run)?;
        Ok(taken(&mut run, representation))
    }

    /// The loss on every token of some sequences but their first, in nats, with the rows of a layer's representation,
    /// `[rows, width]`, changed by `change`.
    ///
    /// # Errors
    /// When a loss is not finite.
    ///
    /// # Panics
    /// As [`Self::representation`].
    ///
    /// # Complexity
    /// One forward pass.
    pub fn losses_with(
        &self,
        sequences: &[&[u32]],
        at: (usize, Representation),
        change: impl Fn(&mut [T], &RowPlaces) + Sync,
    ) -> Result<Vec<f64>> {
        let contexts: Vec<&[u32]> = sequences.iter().map(|it| &it[..it.len() - 1]).collect();
        let (layout, x) = self.read_everywhere(&contexts);
        let rewrite = Rewrite { at, change };
        let changes = Changes {
            splice: Some(&rewrite),
            ..Changes::none()
        };
        let prefix = Prefix::default();
        let layers = 0..self.config().n_layers;
        let run = self.blocks(layers, &layout, (x, &prefix), false, changes);
        let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
        let log_probs = self.log_probs(finals);
        let mut rows = log_probs.chunks_exact(self.config().d_out());
        let mut losses = Vec::with_capacity(layout.rows());
        for sequence in sequences {
            for (&token, log_probs) in sequence[1..].iter().zip(&mut rows) {
                losses.push(-log_probs[token as usize].to_f64());
            }
        }
        if losses.iter().all(|loss| loss.is_finite()) {
            return Ok(losses);
        }
        Err(Error::NotFinite {
            node: "logits".into(),
            problem: "a loss is not finite with the representation replaced".into(),
        })
    }

    /// Sequences of which every position is read, with the stream that enters the first layer.
    fn read_everywhere(&self, sequences: &[&[u32]]) -> (Layout, Vec<T>) {
        let every: Vec<Vec<usize>> = sequences.iter().map(|it| (0..it.len()).collect()).collect();
        let layout = Layout::whole(sequences.iter().zip(&every).map(|(&it, at)| (it, &at[..])));
        let mut x = self.embed(sequences.iter().flat_map(|it| it.iter().copied()));
        if let Some(position) = self.position_rows(&layout.positions) {
            rows::add(&mut x, &position);
        }
        (layout, x)
    }
}

/// The representation of the last layer of a run.
fn taken<T: Real>(run: &mut FullRun<T>, representation: Representation) -> Vec<T> {
    let stream = run.streams.pop().unwrap_or_default();
    match (representation, run.layers.pop()) {
        (Representation::Mlp, Some(layer)) => layer.mlp,
        (Representation::Heads, Some(layer)) => layer.z,
        _ => stream,
    }
}
