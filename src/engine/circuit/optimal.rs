//! Optimal ablation (Li and Janson, 2409.09951): a constant per writer that does the least harm when it stands for
//! the writer at all positions and on all edges.
//!
//! In each step every example of the discovery split has one writer, drawn at random, replaced by its constant. The
//! loss is KL(full model || run) at the scored positions, a mean over examples. The model stays as it is; only the
//! constants move, by Adam, each with its own count of steps. They start from the means of the clean runs. A head's
//! constant is its result before `W_O`, a neuron's its activation.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::Optimal;
use crate::engine::circuit::ablated::Means;
use crate::engine::pass::backward::{GradientSink, Tape};
use crate::engine::pass::forward::{FullRun, check_finite};
use crate::engine::pass::intervention::{Intervention, Site};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::{Extent, examples_per_chunk};
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Decay of Adam's mean of gradients, and of their squares.
const BETAS: (f64, f64) = (0.9, 0.999);
/// Keeps Adam's steps finite where gradients vanish.
const EPSILON: f64 = 1e-12;

impl Optimal {
    /// Trains the constants, which start from `means`.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass, then one forward and one backward pass a step.
    pub(crate) fn train<T: Real>(
        self,
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        mut means: Means<T>,
        observer: &dyn Observer,
    ) -> Result<Means<T>> {
        phase(observer, "optimal ablation", self.steps as u64);
        let writers = transformer.graph().writers().len();
        let mut batches = Vec::new();
        let mut spread = vec![(0.0, 0.0); writers];
        let most = examples_per_chunk(examples);
        let together = transformer.plain_examples(Extent::of(examples, false), most, true);
        for examples in examples.chunks(together) {
            let (batch, run) = Batch::new(transformer, examples)?;
            batch.add_spread(transformer, &run, &means, &mut spread);
            batches.push(batch);
        }
        let mut adam: Vec<Adam> = (0..writers)
            .map(|writer| Adam::new(means.constant(transformer, writer).len()))
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        for step in 0..self.steps {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let mut gradients = vec![Vec::new(); writers];
            let mut loss = 0.0;
            for batch in &batches {
                let draws: Vec<usize> = (0..batch.examples.len())
                    .map(|_| rng.random_range(0..writers))
                    .collect();
                loss += batch.differentiate(transformer, &means, &draws, &mut gradients);
            }
            loss /= examples.len() as f64;
            if !loss.is_finite() {
                return Err(Error::NotFinite {
                    node: "logits".into(),
                    problem: "the loss of optimal ablation is not finite; lower its learning_rate"
                        .into(),
                });
            }
            let rate = self.learning_rate * (1.0 - step as f64 / self.steps as f64);
            for (writer, gradient) in gradients.iter().enumerate() {
                if gradient.is_empty() {
                    continue;
                }
                let (squares, count) = spread[writer];
                let deviation = (squares / count).sqrt();
                let values = means.constant_mut(transformer, writer);
                adam[writer].step(gradient, rate * deviation, values);
            }
            observer.event(Event::Step {
                done: step as u64 + 1,
                note: format!("divergence {loss:.4}"),
            });
        }
        Ok(means)
    }
}

/// Adam's state for one constant.
struct Adam {
    steps: i32,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Adam {
    fn new(len: usize) -> Self {
        Self {
            steps: 0,
            mean: vec![0.0; len],
            square: vec![0.0; len],
        }
    }

    fn step<T: Real>(&mut self, gradient: &[f64], rate: f64, values: &mut [T]) {
        self.steps += 1;
        let corrections = (
            1.0 - BETAS.0.powi(self.steps),
            1.0 - BETAS.1.powi(self.steps),
        );
        for (index, &gradient) in gradient.iter().enumerate() {
            let (mean, square) = (&mut self.mean[index], &mut self.square[index]);
            *mean = BETAS.0 * *mean + (1.0 - BETAS.0) * gradient;
            *square = BETAS.1 * *square + (1.0 - BETAS.1) * gradient * gradient;
            let size = (*square / corrections.1).sqrt() + EPSILON;
            let moved = values[index].to_f64() - rate * *mean / corrections.0 / size;
            values[index] = T::from_f64(moved);
        }
    }
}

/// Examples that are run together.
struct Batch<'e, T> {
    examples: &'e [Example],
    layout: Layout,
    embedded: Vec<T>,
    full_logits: Vec<T>,
}

impl<'e, T: Real> Batch<'e, T> {
    /// The examples, and their clean run.
    fn new(
        transformer: &Transformer<'_, T>,
        examples: &'e [Example],
    ) -> Result<(Self, FullRun<T>)> {
        let sequences = examples
            .iter()
            .map(|example| (&example.clean[..], &example.at[..]));
        let layout = Layout::whole(sequences);
        let tokens = examples.iter().flat_map(|example| &example.clean);
        let embedded = transformer.embed(tokens.copied());
        let run = transformer.forward(&layout, &embedded, &Prefix::default(), false);
        check_finite(&run)?;
        let full_logits = transformer.logits(&run.streams[2 * transformer.config().n_layers]);
        let batch = Self {
            examples,
            layout,
            embedded,
            full_logits,
        };
        Ok((batch, run))
    }

    /// Adds every writer's squared deviations from its mean, and their number.
    fn add_spread(
        &self,
        transformer: &Transformer<'_, T>,
        run: &FullRun<T>,
        means: &Means<T>,
        spread: &mut [(f64, f64)],
    ) {
        let sources = transformer.sources(&self.layout, &self.embedded);
        for (writer, (squares, count)) in spread.iter_mut().enumerate() {
            let (part, columns) = means.place(transformer, writer);
            let data = match part {
                Part::Source(index) => &sources[index],
                Part::Z(layer) => &run.layers[layer].z,
                Part::Mlp(layer) => &run.layers[layer].mlp,
                Part::Neurons(layer) => &run.layers[layer].neurons,
            };
            let mean = means.part(part);
            for row in data.chunks_exact(mean.len()) {
                for column in columns.clone() {
                    *squares += (row[column] - mean[column]).to_f64().powi(2);
                }
                *count += columns.len() as f64;
            }
        }
    }

    /// Runs every example with its drawn writer replaced: the sum of the losses, and its gradient added to that of
    /// each writer's constant.
    fn differentiate(
        &self,
        transformer: &Transformer<'_, T>,
        means: &Means<T>,
        draws: &[usize],
        gradients: &mut [Vec<f64>],
    ) -> f64 {
        let interventions: Vec<Intervention<T>> = self
            .layout
            .segments
            .iter()
            .zip(draws)
            .map(|(segment, &writer)| {
                let site = site(transformer, writer);
                let reads_only = site
                    .layer()
                    .is_some_and(|layer| transformer.reads_only(layer));
                let rows = if reads_only {
                    segment.reads.clone()
                } else {
                    segment.rows.clone()
                };
                let constant = means.constant(transformer, writer);
                gradients[writer].resize(constant.len(), 0.0);
                let values = constant.repeat(rows.len());
                Intervention { site, rows, values }
            })
            .collect();
        let prefix = Prefix::default();
        let run =
            transformer.forward_with(&self.layout, &self.embedded, &prefix, true, &interventions);
        let finals = &run.streams[2 * transformer.config().n_layers];
        let (layout, reference) = (&self.layout, &self.full_logits[..]);
        let kl = Metric::Kl;
        let values = transformer.metric_values(kl, layout, self.examples, finals, reference);
        let gradient = transformer.metric_gradient(kl, layout, self.examples, finals, reference);
        let tape = Tape {
            layout,
            prefix: &prefix,
            run: &run,
            interventions: &interventions,
        };
        let mut sink = ConstantSink { draws, gradients };
        transformer.backward(&tape, gradient, &mut sink);
        -values.iter().sum::<f64>()
    }
}

/// Sums the gradients at the replaced writers over positions.
struct ConstantSink<'s> {
    draws: &'s [usize],
    gradients: &'s mut [Vec<f64>],
}

impl<T: Real> GradientSink<T> for ConstantSink<'_> {
    /// The loss is minus the metric, whose gradient comes in.
    fn intervention(&mut self, index: usize, gradient: &[T]) {
        let sum = &mut self.gradients[self.draws[index]];
        let width = sum.len();
        for row in gradient.chunks_exact(width) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum -= value.to_f64();
            }
        }
    }
}

/// Where a writer's value is set.
fn site<T: Real>(transformer: &Transformer<'_, T>, writer: usize) -> Site {
    match transformer.graph().writers()[writer] {
        Node::Head { layer, head } => Site::Heads {
            layer,
            heads: head..head + 1,
        },
        Node::Mlp { layer } if transformer.layers[layer].neurons.is_empty() => Site::Mlp { layer },
        Node::Mlp { layer } => Site::MlpNode { layer },
        Node::Neuron { layer, .. } => Site::Neuron {
            layer,
            index: transformer.neuron_place(layer, writer),
        },
        Node::Position => Site::Positions,
        _ => Site::Input,
    }
}

/// The activations that hold a writer's.
#[derive(Clone, Copy)]
enum Part {
    Source(usize),
    Z(usize),
    Mlp(usize),
    Neurons(usize),
}

impl<T: Real> Means<T> {
    /// The activations that hold a writer's, and its columns there.
    fn place(&self, transformer: &Transformer<'_, T>, writer: usize) -> (Part, Range<usize>) {
        let d_head = transformer.config().d_head;
        let whole = |part| (part, 0..self.part(part).len());
        match transformer.graph().writers()[writer] {
            Node::Head { layer, head } => (Part::Z(layer), head * d_head..(head + 1) * d_head),
            Node::Mlp { layer } => whole(Part::Mlp(layer)),
            Node::Neuron { layer, .. } => {
                let index = transformer.neuron_place(layer, writer);
                (Part::Neurons(layer), index..index + 1)
            }
            _ => whole(Part::Source(writer)),
        }
    }

    fn part(&self, part: Part) -> &[T] {
        match part {
            Part::Source(index) => &self.sources[index],
            Part::Z(layer) => &self.z[layer],
            Part::Mlp(layer) => &self.mlp[layer],
            Part::Neurons(layer) => &self.neurons[layer],
        }
    }

    /// A writer's constant, where positions are merged.
    pub(in crate::engine) fn constant(
        &self,
        transformer: &Transformer<'_, T>,
        writer: usize,
    ) -> &[T] {
        let (part, columns) = self.place(transformer, writer);
        &self.part(part)[columns]
    }

    fn constant_mut(&mut self, transformer: &Transformer<'_, T>, writer: usize) -> &mut [T] {
        let (part, columns) = self.place(transformer, writer);
        let data = match part {
            Part::Source(index) => &mut self.sources[index],
            Part::Z(layer) => &mut self.z[layer],
            Part::Mlp(layer) => &mut self.mlp[layer],
            Part::Neurons(layer) => &mut self.neurons[layer],
        };
        &mut data[columns]
    }
}

#[cfg(test)]
mod tests;
