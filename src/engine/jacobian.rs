//! How the final stream at the end of a prompt depends on the streams at its subject: whole Jacobians, by gradients of
//! many outputs side by side.

use super::backward::{GradientSink, Tape};
use super::chunk::check_finite;
use super::forward::{FullRun, LayerRun};
use super::layout::Layout;
use super::subjects::Subjects;
use super::transformer::MlpInner;
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

impl<T: Real> Subjects<'_, '_, T> {
    /// The Jacobians of the stream that the final norm reads at a prompt's last position, by the streams that leave some
    /// layers, but the last, at its subject's last token. Rows are shown as they are made:
    /// `visit(layer, first, rows)`, `rows` being `[outputs, d_model]`, the gradients of the outputs from `first` on.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// A backward pass of the rows from the subject's last token on for each of `d_model` outputs, together for all
    /// layers.
    ///
    /// # Reference
    /// Hernandez et al., arXiv:2308.09124.
    pub fn jacobians(
        &self,
        prompt: usize,
        layers: &[usize],
        observer: &dyn Observer,
        mut visit: impl FnMut(usize, usize, &[T]),
    ) -> Result<()> {
        let transformer = self.transformer;
        let d_model = transformer.config().d_model;
        let Some(&lowest) = layers.iter().min() else {
            return Ok(());
        };
        let (tokens, subject) = (&self.prompts[prompt].tokens, self.prompts[prompt].subject);
        let prefix = self.before_subject(prompt);
        let layout = Layout::behind(subject, [tokens.len() - subject]);
        let embedded = transformer.embed(tokens[subject..].iter().copied());
        let run = transformer.forward(&layout, &embedded, &prefix, true);
        check_finite(&run)?;
        let together = transformer.outputs_together(layout.rows());
        let mut copies = Copies::default();
        for first in (0..d_model).step_by(together) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let count = together.min(d_model - first);
            copies.make(count, &layout, &run);
            let mut gradient = vec![T::ZERO; count * d_model];
            for output in 0..count {
                gradient[output * d_model + first + output] = T::ONE;
            }
            let mut sink = SubjectSink {
                d_model,
                rows: layout.rows(),
                layers,
                lowest,
                found: Vec::new(),
            };
            let tape = Tape {
                layout: &copies.layout,
                prefix: &prefix,
                run: &copies.run,
                interventions: &[],
            };
            transformer.backward(&tape, gradient, &mut sink);
            for (layer, rows) in sink.found {
                if rows.iter().any(|value| !value.is_finite()) {
                    return Err(Error::NotFinite {
                        node: format!("the stream after layer {layer}"),
                        problem: "its gradient is not finite; try precision: F64".into(),
                    });
                }
                visit(layer, first, &rows);
            }
        }
        Ok(())
    }
}

/// One run several times over, for as many gradients.
struct Copies<T> {
    count: usize,
    layout: Layout,
    run: FullRun<T>,
}

impl<T> Default for Copies<T> {
    fn default() -> Self {
        Self {
            count: 0,
            layout: Layout::default(),
            run: FullRun {
                streams: Vec::new(),
                layers: Vec::new(),
            },
        }
    }
}

impl<T: Real> Copies<T> {
    /// So many of a run, unless they are there.
    fn make(&mut self, count: usize, layout: &Layout, run: &FullRun<T>) {
        if self.count == count {
            return;
        }
        let inner = |inner: &MlpInner<T>| MlpInner {
            projection: inner.projection.repeat(count),
            gate: inner.gate.as_ref().map(|gate| gate.repeat(count)),
            hidden: inner.hidden.repeat(count),
            output: inner.output.repeat(count),
        };
        let layers = run.layers.iter().map(|layer| LayerRun {
            q: layer.q.repeat(count),
            k: layer.k.repeat(count),
            v: layer.v.repeat(count),
            z: layer.z.repeat(count),
            mlp: Vec::new(),
            neurons: layer.neurons.repeat(count),
            inner: layer.inner.as_ref().map(inner),
        });
        *self = Self {
            count,
            layout: layout.repeat(count),
            run: FullRun {
                streams: run.streams.iter().map(|it| it.repeat(count)).collect(),
                layers: layers.collect(),
            },
        };
    }
}

/// Takes the gradients at the first row of every copy.
struct SubjectSink<'s, T> {
    d_model: usize,
    /// Rows of a copy.
    rows: usize,
    layers: &'s [usize],
    lowest: usize,
    /// Layers with `[copies, d_model]`.
    found: Vec<(usize, Vec<T>)>,
}

impl<T: Real> GradientSink<T> for SubjectSink<'_, T> {
    fn lowest_layer(&self) -> usize {
        self.lowest + 1
    }

    fn stream(&mut self, layer: usize, gradient: &[T]) {
        let left = layer - 1;
        if self.layers.contains(&left) {
            let copies = gradient.chunks_exact(self.rows * self.d_model);
            let rows = copies.flat_map(|copy| copy[..self.d_model].iter().copied());
            self.found.push((left, rows.collect()));
        }
    }
}
