//! How the final stream at the end of a prompt depends on the streams at one position: whole Jacobians, by gradients of
//! many outputs side by side.

use std::iter::once;

use rayon::prelude::*;

use crate::engine::pass::backward::{GradientSink, Tape};
use crate::engine::pass::changes::Changes;
use crate::engine::pass::forward::{FullRun, LayerRun, check_finite};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::transformer::MlpInner;
use crate::engine::rerun::overwritten::Rerun;
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

impl<T: Real> Rerun<'_, '_, T> {
    /// The Jacobians of the stream that the final norm reads at a prompt's last scored position, by the streams that leave some
    /// layers, but the last, at a position. Rows are shown as they are made: `visit(layer, first, rows)`, `rows` being
    /// `[outputs, d_model]`, the gradients of the outputs from `first` on.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When nothing is read from the position on.
    ///
    /// # Complexity
    /// A backward pass of the rows from the position on for each of `d_model` outputs, together for all layers.
    ///
    /// # Reference
    /// Hernandez et al., arXiv:2308.09124.
    pub fn jacobians(
        &self,
        (prompt, position): (usize, usize),
        layers: &[usize],
        observer: &dyn Observer,
        mut visit: impl FnMut(usize, usize, &[T]),
    ) -> Result<()> {
        let config = self.transformer.config();
        let d_model = config.d_model;
        let Some(&lowest) = layers.iter().min() else {
            return Ok(());
        };
        let layout = self.layout.branches(once((prompt, position)));
        let x = self.entering_branches(&[(prompt, position)], lowest + 1);
        let which = lowest + 1..config.n_layers;
        let input = (x, &self.prefix);
        let run = self
            .transformer
            .blocks(which.clone(), &layout, input, true, Changes::none());
        check_finite(&run)?;
        let above = Above {
            first_layer: lowest + 1,
            layout,
            run,
        };
        let (group, part) = self.transformer.outputs_together(above.layout.rows());
        let reads = above.layout.reads.len();
        for first in (0..d_model).step_by(group) {
            let count = group.min(d_model - first);
            let mut gradients = vec![T::ZERO; count * reads * d_model];
            for (output, gradient) in gradients.chunks_exact_mut(reads * d_model).enumerate() {
                gradient[(reads - 1) * d_model + first + output] = T::ONE;
            }
            for layer in which.clone().rev() {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                gradients = self.pulled_through(layer, &above, part, &gradients, count);
                let left = layer - 1;
                if !layers.contains(&left) {
                    continue;
                }
                let copies = gradients.chunks_exact(above.layout.rows() * d_model);
                let rows: Vec<T> = copies.flat_map(|copy| &copy[..d_model]).copied().collect();
                if rows.iter().any(|value| !value.is_finite()) {
                    return Err(Error::NotFinite {
                        node: format!("the stream after layer {left}"),
                        problem: "its gradient is not finite; try precision: F64".into(),
                    });
                }
                visit(left, first, &rows);
            }
        }
        Ok(())
    }

    /// Pulls gradients at the stream after a layer, `[outputs, query rows, d_model]`, back to the stream that enters
    /// it, `[outputs, rows, d_model]`; `part` of them at a time.
    fn pulled_through(
        &self,
        layer: usize,
        above: &Above<T>,
        part: usize,
        gradients: &[T],
        outputs: usize,
    ) -> Vec<T> {
        let d_model = self.transformer.config().d_model;
        let (from, to) = (gradients.len() / outputs, above.layout.rows() * d_model);
        let part = part.min(outputs);
        let copies = Copies::new(part, layer, above);
        let rest = outputs % part;
        let rest = (rest > 0).then(|| Copies::new(rest, layer, above));
        let mut pulled = vec![T::ZERO; outputs * to];
        pulled
            .par_chunks_mut(part * to)
            .zip(gradients.par_chunks(part * from))
            .for_each(|(pulled, gradients)| {
                let whole = gradients.len() == part * from;
                let copies = rest.as_ref().filter(|_| !whole).unwrap_or(&copies);
                let tape = Tape {
                    layout: &copies.layout,
                    prefix: &self.prefix,
                    run: &copies.run,
                    interventions: &[],
                };
                let which = layer..layer + 1;
                let found = self.transformer.backward_blocks(
                    &tape,
                    which,
                    gradients.to_vec(),
                    &mut Nothing,
                );
                pulled.copy_from_slice(&found);
            });
        pulled
    }
}

/// A run of the layers above some layer, from a position on.
struct Above<T> {
    first_layer: usize,
    layout: Layout,
    run: FullRun<T>,
}

/// What the backward pass of one layer needs of a run, several times over: for as many gradients.
struct Copies<T> {
    layout: Layout,
    run: FullRun<T>,
}

impl<T: Real> Copies<T> {
    fn new(count: usize, layer: usize, above: &Above<T>) -> Self {
        let index = layer - above.first_layer;
        let of = &above.run.layers[index];
        let inner = |inner: &MlpInner<T>| MlpInner {
            projection: inner.projection.repeat(count),
            gate: inner.gate.as_ref().map(|gate| gate.repeat(count)),
            hidden: Vec::new(),
            output: inner.output.repeat(count),
        };
        let copied = LayerRun {
            q: of.q.repeat(count),
            k: of.k.repeat(count),
            v: of.v.repeat(count),
            z: of.z.repeat(count),
            mlp: Vec::new(),
            neurons: Vec::new(),
            inner: of.inner.as_ref().map(inner),
        };
        // A run counts its layers from 0; those below have nothing.
        let nothing = (0..layer).map(|_| LayerRun::default());
        let entering = above.run.streams[2 * index..2 * index + 2].iter();
        let below = (0..2 * layer).map(|_| Vec::new());
        Self {
            layout: above.layout.repeat(count),
            run: FullRun {
                streams: below.chain(entering.map(|it| it.repeat(count))).collect(),
                layers: nothing.chain(once(copied)).collect(),
            },
        }
    }
}

/// Wants no gradient but the one at the stream.
struct Nothing;

impl<T> GradientSink<T> for Nothing {}
