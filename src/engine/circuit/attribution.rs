//! Gradient scores of every edge: the writer's difference times the reader's gradient, summed over positions.
//!
//! The difference is the same in all runs, and the score is linear in the gradient, so gradients are added up
//! over the runs first and scored once.

use std::ops::Range;

use rayon::prelude::*;

use crate::engine::circuit::base::{Base, Frame};
use crate::engine::circuit::made::RunSource;
use crate::engine::circuit::sums::{BlockSums, Blocks};
use crate::engine::kernels::filled::zeros;
use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::norm::Normalised;
use crate::engine::kernels::{matmul, norm, rows};
use crate::engine::pass::backward::{GradientRequest, GradientSink, SummedGradients, Tape};
use crate::engine::pass::forward::FullRun;
use crate::engine::pass::intervention::Intervention;
use crate::engine::pass::layout::Segment;
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Fewest readers for which a matrix product is worth it.
const PRODUCT_FROM: usize = 4;

/// Where the gradients are taken, and of what.
pub(crate) struct GradientRuns<'r, T> {
    /// The metric.
    pub metric: Metric,
    /// Number of runs.
    pub runs: usize,
    /// Where they come from.
    pub source: RunSource<'r, T>,
    /// Values that are set in the runs, by row of all runs.
    pub interventions: Vec<Intervention<T>>,
    /// What the metric compares with, at the scored positions.
    pub reference: &'r [T],
}

impl<T: Real> Frame<'_, T> {
    /// Adds edge scores, averaged over the runs, to sums over examples.
    pub(crate) fn edge_attribution(
        &self,
        examples: &[Example],
        full: &Base<T>,
        runs: &GradientRuns<'_, T>,
        sums: &mut BlockSums,
    ) {
        let mut sink = EdgeSink {
            frame: self,
            runs: runs.runs,
            differences: self.differences(full),
            post_norms: Vec::new(),
            scores: sums.begin(examples.len()),
        };
        self.differentiate(examples, runs, &mut sink);
        sums.end(sink.scores, examples.len());
    }

    /// Adds scores of the hidden units that are nodes to sums over examples: difference of the activation times its
    /// gradient, summed over positions, averaged over the runs; by writer number. For graphs whose positions are merged.
    pub(crate) fn neuron_attribution(
        &self,
        examples: &[Example],
        full: &Base<T>,
        runs: &GradientRuns<'_, T>,
        sums: &mut BlockSums,
    ) {
        let mut sink = NeuronSink {
            frame: self,
            full,
            runs: runs.runs,
            scores: sums.begin(examples.len()),
        };
        self.differentiate(examples, runs, &mut sink);
        sums.end(sink.scores, examples.len());
    }

    fn differentiate(
        &self,
        examples: &[Example],
        runs: &GradientRuns<'_, T>,
        sink: &mut dyn GradientSink<T>,
    ) {
        let transformer = self.transformer;
        let layout = self.layout.repeat(runs.runs);
        let run = match &runs.source {
            RunSource::Made(runs) => self.join(runs),
            RunSource::Embedded(embedded) => {
                transformer.forward_with(&layout, embedded, &self.prefix, true, &runs.interventions)
            }
        };
        let finals = &run.streams[2 * transformer.config().n_layers];
        let gradient =
            transformer.metric_gradient(runs.metric, &layout, examples, finals, runs.reference);
        sink.begin(&run);
        let tape = Tape {
            layout: &layout,
            prefix: &self.prefix,
            run: &run,
            interventions: &runs.interventions,
        };
        transformer.backward(&tape, gradient, sink);
    }

    /// Every writer's difference, at all rows and at the rows read, whatever their spans.
    fn differences(&self, full: &Base<T>) -> Differences<T> {
        let d_model = self.transformer.config().d_model;
        let spans = self.transformer.graph().span_count();
        let writers = self.transformer.graph().writers().iter().copied();
        let writers: Vec<Node> = writers.step_by(spans).collect();
        let earlier = (0..writers.len())
            .filter(|&writer| !self.writes_reads_only(writer * spans))
            .count();
        let width = self.layout.rows() * d_model;
        let read_width = self.layout.reads.len() * d_model;
        let mut all = zeros(earlier * width);
        let mut read = zeros(writers.len() * read_width);
        // Layer by layer, so that the weights of one at a time are wanted.
        let mut start = 0;
        for layer in writers.chunk_by(|one, next| one.layer() == next.layer()) {
            let end = start + layer.len();
            let at_reads = &mut read[start * read_width..end * read_width];
            if start >= earlier {
                let values = at_reads.par_chunks_mut(read_width).enumerate();
                values.for_each(|(index, values)| {
                    values.copy_from_slice(&self.whole_delta(full, (start + index) * spans));
                });
            } else {
                let values = all[start * width..end * width].par_chunks_mut(width);
                let values = values.zip(at_reads.par_chunks_mut(read_width)).enumerate();
                values.for_each(|(index, (values, at_reads))| {
                    values.copy_from_slice(&self.whole_delta(full, (start + index) * spans));
                    at_reads.copy_from_slice(&rows::gather(values, d_model, &self.layout.reads));
                });
            }
            start = end;
        }
        Differences { all, read }
    }
}

/// Differences of the writers, one after the other.
struct Differences<T> {
    /// `[writers before the last layer, rows, d_model]`.
    all: Vec<T>,
    /// `[writers, reads, d_model]`.
    read: Vec<T>,
}

/// Sums gradients over the runs and scores the edges into their readers.
struct EdgeSink<'f, T> {
    frame: &'f Frame<'f, T>,
    runs: usize,
    differences: Differences<T>,
    /// Per layer: the normalised sum of the heads in the runs, in models that norm it.
    post_norms: Vec<Normalised<T>>,
    scores: Blocks,
}

impl<T: Real> GradientSink<T> for EdgeSink<'_, T> {
    fn begin(&mut self, run: &FullRun<T>) {
        let transformer = self.frame.transformer;
        if transformer.config().post_norms {
            self.post_norms = run
                .layers
                .iter()
                .enumerate()
                .map(|(layer, run)| transformer.heads_normalised(layer, &run.z))
                .collect();
        }
    }

    fn wants(&self) -> GradientRequest {
        if self.post_norms.is_empty() {
            GradientRequest::Parts(self.runs)
        } else {
            GradientRequest::Each
        }
    }

    fn readers(&mut self, readers: &[usize], gradients: &[Vec<T>], reads_only: bool) {
        let graph = self.frame.transformer.graph();
        let spans = graph.span_count();
        let before = graph.writers_before(readers[0]) / spans;
        if self.post_norms.is_empty() {
            let summed = self.sum_runs(gradients, reads_only);
            self.score_writers(readers, &summed, 0..before, reads_only);
            return;
        }
        // The heads of a layer reach the reader through their post-norm, everything else directly.
        let summed = self.sum_runs(gradients, reads_only);
        let mut next = 0;
        for (layer, wiring) in self.frame.transformer.layers.iter().enumerate() {
            let first = wiring.first_head / spans;
            let heads = first..first + self.frame.transformer.config().n_heads;
            if heads.end > before {
                break;
            }
            self.score_writers(readers, &summed, next..heads.start, reads_only);
            let pulled = self.pull_through_post_norm(layer, gradients, reads_only);
            let pulled = self.sum_runs(&pulled, reads_only);
            next = heads.end;
            self.score_writers(readers, &pulled, heads, reads_only);
        }
        self.score_writers(readers, &summed, next..before, reads_only);
    }

    fn score_part(&self, readers: &[usize], part: &SummedGradients<'_, T>) -> Vec<Vec<T>> {
        let transformer = self.frame.transformer;
        let d_model = transformer.config().d_model;
        let graph = transformer.graph();
        let writers = graph.writers_before(readers[0]) / graph.span_count();
        let differences = self.differences(part.reads_only);
        let score = |segment: &Segment| {
            self.by_span(segment, part.reads_only, writers * readers.len(), |rows| {
                let first = rows.start - part.rows.start;
                score(
                    (
                        differences,
                        self.width(part.reads_only),
                        rows.start * d_model,
                    ),
                    (part.gradients, part.rows.len() * d_model, first * d_model),
                    rows.len() * d_model,
                    writers,
                    readers.len(),
                )
            })
        };
        part.segments.iter().map(score).collect()
    }

    fn scored(&mut self, readers: &[usize], scores: Vec<Vec<T>>) {
        let graph = self.frame.transformer.graph();
        let before = graph.writers_before(readers[0]) / graph.span_count();
        self.add_scores(readers, 0..before, scores);
    }
}

impl<T: Real> EdgeSink<'_, T> {
    /// The scores of an example's rows, `each` numbers a span, one span after the other.
    fn by_span(
        &self,
        segment: &Segment,
        reads_only: bool,
        each: usize,
        score: impl Fn(Range<usize>) -> Vec<T>,
    ) -> Vec<T> {
        let count = self.frame.transformer.graph().span_count();
        let mut stretches = self.frame.spans.stretches(segment, reads_only);
        if count == 1 {
            return stretches
                .pop()
                .map_or_else(Vec::new, |(_, rows)| score(rows));
        }
        let mut scores = vec![T::ZERO; count * each];
        for (span, rows) in stretches {
            rows::add(&mut scores[span * each..(span + 1) * each], &score(rows));
        }
        scores
    }

    /// The gradients added up over the runs, one reader after the other.
    fn sum_runs(&self, gradients: &[Vec<T>], reads_only: bool) -> Vec<T> {
        let width = self.width(reads_only);
        let mut summed = Vec::with_capacity(gradients.len() * width);
        for gradient in gradients {
            let mut runs = gradient.chunks_exact(width);
            let start = summed.len();
            summed.extend_from_slice(runs.next().unwrap_or_default());
            for run in runs {
                rows::add(&mut summed[start..], run);
            }
        }
        summed
    }

    /// Numbers of one reader's gradient in one run.
    fn width(&self, reads_only: bool) -> usize {
        self.frame.layout.query_rows(reads_only) * self.frame.transformer.config().d_model
    }

    /// Pulls readers' gradients back through a layer's post-norm, run by run.
    fn pull_through_post_norm(
        &self,
        layer: usize,
        gradients: &[Vec<T>],
        reads_only: bool,
    ) -> Vec<Vec<T>> {
        let transformer = self.frame.transformer;
        let config = transformer.config();
        let attention = transformer.weights.attention(layer);
        let Some(weights) = &attention.post_norm else {
            return gradients.to_vec();
        };
        let at = &self.post_norms[layer];
        let at_reads = (reads_only && !transformer.reads_only(layer)).then(|| {
            let layout = self.frame.layout.repeat(self.runs);
            Normalised {
                hat: rows::gather(&at.hat, config.d_model, &layout.reads),
                scale: layout.reads.iter().map(|&row| at.scale[row]).collect(),
            }
        });
        gradients
            .par_iter()
            .map(|gradient| {
                let mut gradient = gradient.clone();
                let at = at_reads.as_ref().unwrap_or(at);
                norm::backward(config.norm, weights, at, &mut gradient);
                gradient
            })
            .collect()
    }

    /// Scores the edges from some nodes, of all spans, to readers of one place from the readers' summed gradients.
    fn score_writers(
        &mut self,
        readers: &[usize],
        summed: &[T],
        writers: Range<usize>,
        reads_only: bool,
    ) {
        let d_model = self.frame.transformer.config().d_model;
        let width = self.width(reads_only);
        let differences = self.differences(reads_only);
        let differences = &differences[writers.start * width..writers.end * width];
        let score = |segment: &Segment| {
            self.by_span(segment, reads_only, writers.len() * readers.len(), |rows| {
                score(
                    (differences, width, rows.start * d_model),
                    (summed, width, rows.start * d_model),
                    rows.len() * d_model,
                    writers.len(),
                    readers.len(),
                )
            })
        };
        let segments = &self.frame.layout.segments;
        let scores = segments.par_iter().map(score).collect();
        self.add_scores(readers, writers, scores);
    }

    /// Every writer's difference, at all rows or at those read.
    fn differences(&self, reads_only: bool) -> &[T] {
        if reads_only {
            &self.differences.read
        } else {
            &self.differences.all
        }
    }

    /// Adds scores of the edges from some nodes to some readers: per example a matrix for every span.
    fn add_scores(&mut self, readers: &[usize], writers: Range<usize>, scores: Vec<Vec<T>>) {
        let graph = self.frame.transformer.graph();
        let spans = graph.span_count();
        let weight = 1.0 / self.runs as f64;
        for (example, of_example) in scores.into_iter().enumerate() {
            let sums = self.scores.of(example);
            let writers =
                (0..spans).flat_map(|span| writers.clone().map(move |node| node * spans + span));
            for (writer, row) in writers.zip(of_example.chunks_exact(readers.len())) {
                for (&reader, value) in readers.iter().zip(row) {
                    if let Some(edge) = graph.edge(writer, reader) {
                        sums[edge] += weight * value.to_f64();
                    }
                }
            }
        }
    }
}

/// Inner products of writers' differences and readers' gradients over some columns of each, `[writers, readers]`.
/// Of both come the numbers of all, the width of one, and the first column.
fn score<T: Real>(
    (differences, difference_width, difference_from): (&[T], usize, usize),
    (gradients, gradient_width, gradient_from): (&[T], usize, usize),
    columns: usize,
    writers: usize,
    readers: usize,
) -> Vec<T> {
    if readers < PRODUCT_FROM {
        let mut out = vec![T::ZERO; writers * readers];
        for writer in 0..writers {
            let start = writer * difference_width + difference_from;
            let difference = &differences[start..start + columns];
            for reader in 0..readers {
                let start = reader * gradient_width + gradient_from;
                let gradient = &gradients[start..start + columns];
                out[writer * readers + reader] = rows::dot(difference, gradient);
            }
        }
        return out;
    }
    let lhs = Matrix::rows(differences, writers, difference_width)
        .columns(difference_from, difference_from + columns);
    let rhs = Matrix::rows(gradients, readers, gradient_width)
        .columns(gradient_from, gradient_from + columns)
        .transpose();
    matmul::new_product_on_one_thread(lhs, rhs)
}

/// Scores hidden units by their own gradient.
struct NeuronSink<'f, T> {
    frame: &'f Frame<'f, T>,
    full: &'f Base<T>,
    runs: usize,
    scores: Blocks,
}

impl<T: Real> GradientSink<T> for NeuronSink<'_, T> {
    fn hidden(&mut self, layer: usize, gradient: &[T]) {
        let transformer = self.frame.transformer;
        let wiring = &transformer.layers[layer];
        let nodes = &wiring.neurons;
        let d_mlp = transformer.config().d_mlp;
        if nodes.is_empty() {
            return;
        }
        let current = &self.full.layers[layer].neurons;
        let ablated = &self.frame.ablated.neurons[layer];
        let reads_only = transformer.reads_only(layer);
        let weight = 1.0 / self.runs as f64;
        let rows = current.len() / nodes.len();
        for (example, segment) in self.frame.layout.segments.iter().enumerate() {
            let scores = self.scores.of(example);
            let range = if reads_only {
                segment.reads.clone()
            } else {
                segment.rows.clone()
            };
            for row in range {
                for run in 0..self.runs {
                    let start = (run * rows + row) * d_mlp;
                    let gradient = &gradient[start..start + d_mlp];
                    for (index, &neuron) in nodes.iter().enumerate() {
                        let at = row * nodes.len() + index;
                        let difference = (current[at] - ablated[at]).to_f64();
                        scores[wiring.mlp_writer + 1 + index] +=
                            weight * difference * gradient[neuron].to_f64();
                    }
                }
            }
        }
    }
}
