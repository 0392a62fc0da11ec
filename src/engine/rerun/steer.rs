//! Plain runs whose residual stream is changed: vectors added after layers, directions ablated everywhere.

use crate::engine::BLOCK;
use crate::engine::kernels::rows;
use crate::engine::pass::changes::Changes;
use crate::engine::pass::forward::{FullRun, check_finite};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::Extent;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::steering::{Rewriting, Steering, scaled};
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Sizes of a model's heads and stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadShape {
    /// Number of layers.
    pub n_layers: usize,
    /// Query heads of a layer.
    pub n_heads: usize,
    /// Numbers of a head's result.
    pub d_head: usize,
    /// Numbers of the stream at a position.
    pub d_model: usize,
}

impl<T: Real> Transformer<'_, T> {
    /// Sizes of the heads and the stream.
    pub fn heads(&self) -> HeadShape {
        let config = self.config();
        HeadShape {
            n_layers: config.n_layers,
            n_heads: config.n_heads,
            d_head: config.d_head,
            d_model: config.d_model,
        }
    }

    /// Number of tokens that the model reads.
    pub fn d_vocab(&self) -> usize {
        self.config().d_vocab
    }

    /// Examples in groups that are run together.
    pub fn groups<'e>(&self, examples: &'e [Example]) -> std::slice::Chunks<'e, Example> {
        let extent = Extent::of(examples, false);
        examples.chunks(self.plain_examples(extent, BLOCK, false))
    }

    /// The streams that leave every layer at the scored position last and the `count - 1` before it, for the clean prompt of
    /// each example: `visit(example, offset, layer, stream)`, an offset counting back from the scored position.
    ///
    /// # Errors
    /// When an activation is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When the scored position has fewer than `count - 1` before it.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn streams_before_read(
        &self,
        examples: &[Example],
        count: usize,
        observer: &dyn Observer,
        mut visit: impl FnMut(usize, usize, usize, &[T]),
    ) -> Result<()> {
        let config = self.config();
        let mut done = 0;
        for group in self.groups(examples) {
            stop(observer)?;
            // The last layer's stream is kept at the rows read: they must be all that are asked for.
            let asked: Vec<Vec<usize>> = group
                .iter()
                .map(|example| {
                    let last = example.at.last().copied().unwrap_or(0);
                    (last + 1 - count..=last).collect()
                })
                .collect();
            let sequences = group.iter().zip(&asked);
            let layout = Layout::whole(sequences.map(|(it, asked)| (&it.clean[..], &asked[..])));
            let embedded = self.embed(group.iter().flat_map(|it| it.clean.iter().copied()));
            let run = self.forward(&layout, &embedded, &Prefix::default(), false);
            check_finite(&run)?;
            for (index, segment) in layout.segments.iter().enumerate() {
                for layer in 0..config.n_layers {
                    let stream = &run.streams[2 * (layer + 1)];
                    for read in segment.reads.clone() {
                        let row = layout.query_row(read, self.reads_only(layer));
                        let values = &stream[row * config.d_model..(row + 1) * config.d_model];
                        visit(done + index, segment.reads.end - 1 - read, layer, values);
                    }
                }
            }
            done += group.len();
            step(observer, done);
        }
        Ok(())
    }

    /// The mean result of every head before `W_O` at the last scored position of the clean prompts, `[n_layers][n_heads *
    /// d_head]`.
    ///
    /// # Errors
    /// When an activation is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn mean_heads(
        &self,
        examples: &[Example],
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<f64>>> {
        let config = self.config();
        let width = config.n_heads * config.d_head;
        let mut sums = vec![vec![0.0; width]; config.n_layers];
        let mut done = 0;
        for group in self.groups(examples) {
            stop(observer)?;
            let (layout, embedded) = self.clean_rows(group);
            let run = self.forward(&layout, &embedded, &Prefix::default(), false);
            check_finite(&run)?;
            for (layer, sums) in sums.iter_mut().enumerate() {
                for segment in &layout.segments {
                    let Some(read) = segment.reads.clone().next_back() else {
                        continue;
                    };
                    let row = layout.query_row(read, self.reads_only(layer));
                    let z = &run.layers[layer].z[row * width..(row + 1) * width];
                    for (sum, value) in sums.iter_mut().zip(z) {
                        *sum += value.to_f64();
                    }
                }
            }
            done += group.len();
            step(observer, done);
        }
        for sum in sums.iter_mut().flatten() {
            *sum /= examples.len() as f64;
        }
        Ok(sums)
    }

    /// What a head writes for a result before `W_O`, `[d_head]` to `[d_model]`, its bias apart.
    pub fn head_writes(&self, layer: usize, head: usize, z: &[f64]) -> Vec<f64> {
        let z: Vec<T> = scaled(z, 1.0);
        let written = self.project_head(layer, head, &z);
        written.iter().map(|value| value.to_f64()).collect()
    }

    /// The metric of each example's clean prompt in a steered run, `[examples]`.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn steered_metric(
        &self,
        examples: &[Example],
        metric: Metric,
        steering: &Steering<T>,
        observer: &dyn Observer,
    ) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(examples.len());
        for group in self.groups(examples) {
            stop(observer)?;
            let (layout, embedded) = self.clean_rows(group);
            let run = self.steered(&layout, embedded, &Prefix::default(), steering);
            let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
            values.extend(finite(self.metric_values(
                metric,
                &layout,
                group,
                finals,
                &[],
            ))?);
        }
        Ok(values)
    }

    /// A run of embedded rows with the stream changed.
    pub(crate) fn steered(
        &self,
        layout: &Layout,
        mut x: Vec<T>,
        prefix: &Prefix<T>,
        steering: &Steering<T>,
    ) -> FullRun<T> {
        if let Some(position) = self.position_rows(&layout.positions) {
            rows::add(&mut x, &position);
        }
        steering.after_write(self.config().d_model, &mut x);
        let changes = Changes {
            steering: Some(steering),
            splice: steering.rewriting.as_ref().map(Rewriting::splice),
            ..Changes::none()
        };
        let layers = 0..self.config().n_layers;
        self.blocks(layers, layout, (x, prefix), false, changes)
    }
}

pub(in crate::engine) fn finite(values: Vec<f64>) -> Result<Vec<f64>> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(Error::NotFinite {
        node: "logits".into(),
        problem:
            "the metric is not finite in a changed run; try smaller strengths or precision: F64"
                .into(),
    })
}

fn stop(observer: &dyn Observer) -> Result<()> {
    if observer.interrupted() {
        return Err(Error::Interrupted);
    }
    Ok(())
}

fn step(observer: &dyn Observer, done: usize) {
    observer.event(Event::Step {
        done: done as u64,
        note: String::new(),
    });
}
