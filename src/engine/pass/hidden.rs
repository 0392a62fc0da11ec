//! All hidden units of the MLPs in plain runs: their activations, and what the metric's gradient says of each.

use std::ops::Range;

use crate::engine::BLOCK;
use crate::engine::kernels::activation;
use crate::engine::pass::backward::{GradientSink, Tape};
use crate::engine::pass::forward::{FullRun, check_finite};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::Extent;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// The hidden units of one layer on some sequences.
#[derive(Debug, Clone, Copy)]
pub struct HiddenUnits<'r, T> {
    /// The layer.
    pub layer: usize,
    /// Numbers of the sequences.
    pub sequences: (usize, usize),
    /// The rows of each of them.
    pub rows: &'r [Range<usize>],
    /// `[rows, d_mlp]`.
    pub units: &'r [T],
}

impl<T: Real> Transformer<'_, T> {
    /// Runs sequences and shows the hidden units of every layer at every position, some sequences at a time, in order.
    ///
    /// # Errors
    /// When an activation is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, or a sequence is empty or longer than `n_ctx`.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn hidden_units(
        &self,
        sequences: &[&[u32]],
        observer: &dyn Observer,
        mut visit: impl FnMut(&HiddenUnits<'_, T>),
    ) -> Result<()> {
        let longest = sequences.iter().map(|tokens| tokens.len()).max();
        let extent = Extent {
            tokens: longest.unwrap_or(0),
            rows: longest.unwrap_or(0),
            reads: 0,
        };
        let together = self.plain_examples(extent, BLOCK, true);
        let mut first = 0;
        for block in sequences.chunks(together) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            // Every row is read, so that the last layer's MLP runs at every position.
            let every: Vec<Vec<usize>> = block
                .iter()
                .map(|tokens| (0..tokens.len()).collect())
                .collect();
            let layout = Layout::whole(block.iter().zip(&every).map(|(&it, at)| (it, &at[..])));
            let embedded = self.embed(block.iter().flat_map(|tokens| tokens.iter().copied()));
            let run = self.forward(&layout, &embedded, &Prefix::default(), true);
            check_finite(&run)?;
            let rows: Vec<Range<usize>> = layout
                .segments
                .iter()
                .map(|segment| segment.rows.clone())
                .collect();
            for layer in 0..run.layers.len() {
                visit(&HiddenUnits {
                    layer,
                    sequences: (first, first + block.len()),
                    rows: &rows,
                    units: &self.hidden(&run, layer),
                });
            }
            first += block.len();
            observer.event(Event::Step {
                done: first as u64,
                note: String::new(),
            });
        }
        Ok(())
    }

    /// A layer's hidden units in a run that kept its inner activations.
    fn hidden(&self, run: &FullRun<T>, layer: usize) -> Vec<T> {
        run.layers[layer]
            .inner
            .as_ref()
            .map_or_else(Vec::new, |inner| {
                let gate = inner.gate.as_deref();
                activation::hidden(self.config().activation, &inner.projection, gate)
            })
    }

    /// Attribution of every hidden unit, `[n_layers][d_mlp]`: the gradient of the metric on the clean run times what
    /// the unit's activation is above a reference, summed over positions, mean over examples. A first-order estimate of
    /// the drop of the metric when the unit is replaced by the reference.
    ///
    /// `reference` holds `[d_mlp]` for each layer, or `[positions, d_mlp]` counted from the left.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward and one backward pass.
    pub fn hidden_attribution(
        &self,
        examples: &[Example],
        metric: Metric,
        reference: &[Vec<f64>],
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<f64>>> {
        let config = self.config();
        let d_mlp = config.d_mlp;
        let extent = Extent::of(examples, false);
        let together = self.plain_examples(extent, BLOCK, true);
        let mut total = vec![vec![0.0; d_mlp]; config.n_layers];
        let mut done = 0;
        for block in examples.chunks(together) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let (layout, embedded) = self.clean_rows(block);
            let run = self.forward(&layout, &embedded, &Prefix::default(), true);
            check_finite(&run)?;
            let finals = &run.streams[2 * config.n_layers];
            let gradient = self.metric_gradient(metric, &layout, block, finals, &[]);
            let tape = Tape {
                layout: &layout,
                prefix: &Prefix::default(),
                run: &run,
                interventions: &[],
            };
            let layers = 0..config.n_layers;
            let positions = layers.clone();
            let positions = positions.map(|layer| layout.query_positions(self.reads_only(layer)));
            let mut sink = HiddenSink {
                units: layers.map(|layer| self.hidden(&run, layer)).collect(),
                positions: positions.collect(),
                reference,
                total: &mut total,
            };
            self.backward(&tape, gradient, &mut sink);
            done += block.len();
            observer.event(Event::Step {
                done: done as u64,
                note: String::new(),
            });
        }
        for (layer, total) in total.iter_mut().enumerate() {
            for (neuron, value) in total.iter_mut().enumerate() {
                *value /= examples.len() as f64;
                if !value.is_finite() {
                    return Err(Error::NotFinite {
                        node: Node::Neuron { layer, neuron }.to_string(),
                        problem: "its gradient is not finite; try precision: F64".into(),
                    });
                }
            }
        }
        Ok(total)
    }

    /// The metric of each example in the clean run, `[examples]`.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn clean_metric(
        &self,
        examples: &[Example],
        metric: Metric,
        observer: &dyn Observer,
    ) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(examples.len());
        let together = self.plain_examples(Extent::of(examples, false), BLOCK, false);
        for block in examples.chunks(together) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let (layout, embedded) = self.clean_rows(block);
            let run = self.forward(&layout, &embedded, &Prefix::default(), false);
            values.extend(self.final_metric(&run, &layout, block, metric)?);
        }
        Ok(values)
    }

    pub(in crate::engine) fn clean_rows(&self, examples: &[Example]) -> (Layout, Vec<T>) {
        let sequences = examples.iter().map(|it| (&it.clean[..], &it.at[..]));
        let tokens = examples.iter().flat_map(|it| it.clean.iter().copied());
        (Layout::whole(sequences), self.embed(tokens))
    }

    fn final_metric(
        &self,
        run: &FullRun<T>,
        layout: &Layout,
        examples: &[Example],
        metric: Metric,
    ) -> Result<Vec<f64>> {
        let finals = &run.streams[2 * self.config().n_layers];
        let values = self.metric_values(metric, layout, examples, finals, &[]);
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(Error::NotFinite {
            node: "logits".into(),
            problem: "the metric is not finite; try precision: F64".into(),
        })
    }
}

/// Adds up every hidden unit's attribution.
struct HiddenSink<'s, T> {
    units: Vec<Vec<T>>,
    /// Positions of the rows, by layer.
    positions: Vec<Vec<usize>>,
    reference: &'s [Vec<f64>],
    total: &'s mut [Vec<f64>],
}

impl<T: Real> GradientSink<T> for HiddenSink<'_, T> {
    fn hidden(&mut self, layer: usize, gradient: &[T]) {
        let (reference, total) = (&self.reference[layer], &mut self.total[layer]);
        let d_mlp = total.len();
        let by_position = reference.len() > d_mlp;
        let rows = self.units[layer].chunks_exact(d_mlp);
        let rows = rows.zip(gradient.chunks_exact(d_mlp));
        for ((units, gradient), &position) in rows.zip(&self.positions[layer]) {
            let from = if by_position { position * d_mlp } else { 0 };
            let reference = &reference[from..from + d_mlp];
            for (neuron, total) in total.iter_mut().enumerate() {
                *total += (units[neuron].to_f64() - reference[neuron]) * gradient[neuron].to_f64();
            }
        }
    }
}
