//! The evaluator that runs a real model.

use crate::engine::circuit::attribution::GradientRuns;
use crate::engine::circuit::chunk::Chunk;
use crate::engine::circuit::chunks::Chunks;
use crate::engine::circuit::evaluator::Evaluator;
use crate::engine::circuit::made::RunSource;
use crate::engine::circuit::sums::BlockSums;
use crate::engine::pass::memory::examples_per_chunk;
use crate::engine::pass::transformer::Transformer;
use crate::engine::{Ablation, AblationValues};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, EdgeMask, EdgeScores};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Rows on the row axis that keep matrix products efficient.
const BATCH_ROWS: usize = 4096;
/// Bytes that the differences of all circuits of a batch may take at most.
const BATCH_BYTES: usize = 1 << 30;
/// Bytes that recorded runs of circuits may take at most between two batches.
const RECORDED_BYTES: usize = 256 << 20;
/// Most circuits in one batch.
const MAX_BATCH: usize = 64;

/// A model on the examples of a split, measuring one metric under one ablation.
pub struct ModelEvaluator<'a, T> {
    transformer: &'a Transformer<'a, T>,
    metric: Metric,
    chunks: Chunks<'a, T>,
    batch: usize,
}

impl<'a, T: Real> ModelEvaluator<'a, T> {
    /// Runs the model on clean and corrupt prompts and caches what circuits need.
    ///
    /// # Errors
    /// When an activation is not finite, a position has no mean, or an example no donor.
    ///
    /// # Complexity
    /// Two to three forward passes.
    ///
    /// # Example
    /// ```
    /// # use std::path::Path;
    /// # use secateur::engine::AblationValues;
    /// # use secateur::events::Silent;
    /// # use secateur::graph::{Granularity, NeuronNodes};
    /// # use secateur::model::PrependBos;
    /// # use secateur::task::{Agreement, LoadRequest, Prompts};
    /// # use secateur::{Ablation, ComputationGraph, Metric, TaskSource, Transformer, load_model};
    /// # let model = load_model("builtin:toy-llama", Path::new("."))?;
    /// # let task = TaskSource::Agreement(Agreement { pairs: 16, seed: 0 });
    /// # let request = LoadRequest {
    /// #     prompts: Prompts::Pairs,
    /// #     tokenizer: model.tokenizer.as_ref(),
    /// #     config: model.config(),
    /// #     prepend_bos: PrependBos::Auto,
    /// #     base: Path::new("."),
    /// #     observer: &Silent,
    /// # };
    /// # let examples = task.load(&request)?.examples;
    /// # let graph = ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())?;
    /// # let transformer = Transformer::new(&model.weights, &graph);
    /// # let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
    /// # let ablated = AblationValues::new(&transformer, &examples, ablation, &Silent)?;
    /// use secateur::{EdgeMask, Evaluator, ModelEvaluator};
    ///
    /// let mut evaluator = ModelEvaluator::new(&transformer, &examples, metric, ablation, &ablated)?;
    /// let metrics = evaluator.measure(&[EdgeMask::full(&graph), EdgeMask::empty(&graph)])?;
    /// let [full, empty] = [&metrics[0], &metrics[1]].map(|each| each.iter().sum::<f64>());
    /// assert!(full > empty, "the model prefers the verb that agrees with its subject");
    /// # Ok::<(), secateur::Error>(())
    /// ```
    pub fn new(
        transformer: &'a Transformer<'a, T>,
        examples: &[Example],
        metric: Metric,
        ablation: Ablation,
        values: &AblationValues<T>,
    ) -> Result<Self> {
        let longest = examples_per_chunk(examples);
        let rows = |examples: &[Example]| {
            let lengths = examples
                .iter()
                .map(|example| transformer.rows_of(example, ablation));
            lengths.sum::<usize>()
        };
        let rows = examples.chunks(longest).map(rows).max().unwrap_or(1).max(1);
        let writers = transformer.graph().writers().len() / transformer.graph().span_count();
        let bytes = rows * transformer.config().d_model * writers * size_of::<T>();
        let batch = (BATCH_ROWS / rows)
            .min(BATCH_BYTES / bytes.max(1))
            .clamp(1, MAX_BATCH);
        let made_with = (ablation, &values.0);
        let chunks = Chunks::new(transformer, examples, made_with, metric, batch)?;
        Ok(Self {
            transformer,
            metric,
            chunks,
            batch,
        })
    }

    /// Several metrics of the full model, of the empty circuit, or of any circuits: `[metrics][circuits][examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn measure_metrics(
        &mut self,
        circuits: &[EdgeMask],
        metrics: &[Metric],
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        for &metric in metrics {
            self.chunks.need(metric);
        }
        let (together, transformer) = (self.chunks.plan.circuits, self.transformer);
        let mut values = vec![vec![Vec::new(); circuits.len()]; metrics.len()];
        for index in 0..self.chunks.len() {
            let chunk = self.chunks.open(index)?;
            for empty in [true, false] {
                let indices: Vec<usize> = (0..circuits.len())
                    .filter(|&index| chunk.prefers_empty(&circuits[index]) == empty)
                    .collect();
                for group in indices.chunks(together) {
                    let masks: Vec<EdgeMask> =
                        group.iter().map(|&index| circuits[index].clone()).collect();
                    let base = if empty { chunk.empty() } else { &chunk.full };
                    let finals = chunk.frame.run_circuits(base, &masks);
                    for (&index, finals) in group.iter().zip(&finals) {
                        for (metric, values) in metrics.iter().zip(&mut values) {
                            let found = metric_values(transformer, chunk, *metric, finals)?;
                            values[index].extend(found);
                        }
                    }
                }
            }
            self.chunks.close(index);
        }
        Ok(values)
    }

    /// Attribution of the neurons that are nodes, by writer number, mean over examples: the gradient at a hidden
    /// unit times its difference, averaged over runs at these points between corrupt and clean. For graphs whose
    /// positions are merged.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn neuron_attribution(&mut self, points: &[f64]) -> Result<Vec<f64>> {
        let count = self.transformer.graph().writers().len();
        self.gradients(points, count, |chunk, runs, sums| {
            let (frame, full) = (&chunk.frame, &chunk.full);
            frame.neuron_attribution(&chunk.examples, full, runs, sums);
        })
    }

    fn gradients(
        &mut self,
        points: &[f64],
        count: usize,
        score: impl Fn(&Chunk<'a, T>, &GradientRuns<'_, T>, &mut BlockSums),
    ) -> Result<Vec<f64>> {
        let metric = self.metric;
        let mut sums = BlockSums::new(count);
        self.for_parts(points.len(), |chunk| {
            let made: Option<Vec<_>> = points.iter().map(|&point| chunk.made(point)).collect();
            let embedded = || points.iter().flat_map(|&point| chunk.between(point));
            let runs = GradientRuns {
                metric,
                runs: points.len(),
                source: match made {
                    Some(made) => RunSource::Made(made),
                    None => RunSource::Embedded(embedded().collect()),
                },
                interventions: Vec::new(),
                reference: chunk.reference(metric),
            };
            score(chunk, &runs, &mut sums);
        })?;
        per_example(sums.finish(), self.examples() as f64)
    }

    /// Hands over the examples in order, as many together as gradients of so many runs have room for.
    fn for_parts(&mut self, runs: usize, mut work: impl FnMut(&Chunk<'a, T>)) -> Result<()> {
        let (transformer, extent) = (self.transformer, self.chunks.extent);
        for index in 0..self.chunks.len() {
            let chunk = self.chunks.open(index)?;
            let examples = chunk.examples.len();
            let together = transformer.gradient_examples(extent, examples, runs);
            if together >= examples {
                work(chunk);
            } else {
                for start in (0..examples).step_by(together) {
                    work(&chunk.part(start..(start + together).min(examples)));
                }
            }
            self.chunks.close(index);
        }
        Ok(())
    }
}

/// A metric of a circuit's final stream, per example.
fn metric_values<T: Real>(
    transformer: &Transformer<'_, T>,
    chunk: &Chunk<'_, T>,
    metric: Metric,
    finals: &[T],
) -> Result<Vec<f64>> {
    let (layout, reference) = (&chunk.frame.layout, chunk.reference(metric));
    let values = transformer.metric_values(metric, layout, &chunk.examples, finals, reference);
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(Error::NotFinite {
        node: "logits".into(),
        problem: "the metric of a circuit is not finite; try precision: F64".into(),
    })
}

impl<T: Real> Evaluator for ModelEvaluator<'_, T> {
    fn graph(&self) -> &ComputationGraph {
        self.transformer.graph()
    }

    fn examples(&self) -> usize {
        self.chunks.examples()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn measure(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        let mut values = self.measure_metrics(circuits, &[self.metric])?;
        Ok(values.pop().unwrap_or_default())
    }

    fn measure_near(&mut self, circuits: &[EdgeMask], keep: bool) -> Result<Vec<Vec<f64>>> {
        let (together, transformer) = (self.chunks.plan.circuits, self.transformer);
        let mut values = vec![Vec::new(); circuits.len()];
        // Where memory is short, there is room for the runs of one batch of a single group of examples.
        let single = self.chunks.len() == 1 && circuits.len() <= together;
        let keep = keep && (single || transformer.room.is_none());
        let mut room = RECORDED_BYTES;
        for index in 0..self.chunks.len() {
            let chunk = self.chunks.open(index)?;
            chunk.recorded = Vec::new();
            let base = chunk
                .near
                .as_ref()
                .ok_or_else(|| Error::Bug("measure_near before rebase".into()))?;
            let mut recorded = Vec::new();
            for (group, values) in circuits.chunks(together).zip(values.chunks_mut(together)) {
                let finals = if keep {
                    let runs = chunk.frame.record_circuits(base, group);
                    let finals = runs.iter().map(|run| run.finals.clone()).collect();
                    for run in runs {
                        if let Some(left) = room.checked_sub(run.bytes()) {
                            room = left;
                            recorded.push(run);
                        }
                    }
                    finals
                } else {
                    chunk.frame.run_circuits(base, group)
                };
                for (finals, values) in finals.iter().zip(values) {
                    values.extend(metric_values(transformer, chunk, self.metric, finals)?);
                }
            }
            chunk.recorded = recorded;
            self.chunks.close(index);
        }
        Ok(values)
    }

    fn rebase(&mut self, circuit: &EdgeMask) -> Result<Vec<f64>> {
        let (transformer, metric) = (self.transformer, self.metric);
        let mut values = Vec::new();
        for index in 0..self.chunks.len() {
            let chunk = self.chunks.open(index)?;
            let near = chunk
                .near
                .take()
                .filter(|near| circuit.is_subset(&near.mask));
            let recorded = std::mem::take(&mut chunk.recorded);
            let mut found = None;
            if near.is_some() && !recorded.is_empty() {
                let live = transformer.graph().live_readers(circuit);
                found = recorded.into_iter().find(|run| run.is_of(circuit, &live));
            }
            let mut near = near.unwrap_or_else(|| chunk.nearest(circuit).clone());
            let run = match found {
                Some(run) => run,
                None => chunk
                    .frame
                    .record_circuits(&near, std::slice::from_ref(circuit))
                    .pop()
                    .ok_or_else(|| Error::Bug("a circuit has no run".into()))?,
            };
            let finals = chunk.frame.move_base(&mut near, circuit, run);
            chunk.near = Some(near);
            values.extend(metric_values(transformer, chunk, metric, &finals)?);
            self.chunks.close(index);
        }
        Ok(values)
    }

    fn attribution(&mut self, points: &[f64]) -> Result<EdgeScores> {
        let count = self.transformer.graph().edge_count();
        self.gradients(points, count, |chunk, runs, sums| {
            let (frame, full) = (&chunk.frame, &chunk.full);
            frame.edge_attribution(&chunk.examples, full, runs, sums);
        })
    }

    fn activation_attribution(&mut self, points: &[f64]) -> Result<EdgeScores> {
        let metric = self.metric;
        let edges = self.transformer.graph().edge_count();
        let sites = self.transformer.writer_groups();
        let groups = sites.len();
        let mut total = vec![0.0; edges];
        for group in sites {
            let mut sums = BlockSums::new(edges);
            self.for_parts(points.len(), |chunk| {
                let embedded = chunk.clean.repeat(points.len());
                let runs = GradientRuns {
                    metric,
                    runs: points.len(),
                    source: RunSource::Embedded(embedded),
                    interventions: vec![chunk.group_between(&group, points)],
                    reference: chunk.reference(metric),
                };
                let frame = &chunk.frame;
                frame.edge_attribution(&chunk.examples, &chunk.full, &runs, &mut sums);
            })?;
            add(&mut total, &sums.finish());
        }
        per_example(total, (self.examples() * groups) as f64)
    }
}

fn add(total: &mut [f64], scores: &[f64]) {
    for (total, score) in total.iter_mut().zip(scores) {
        *total += score;
    }
}

/// Divides sums by their count and refuses what is not finite.
fn per_example(mut total: Vec<f64>, count: f64) -> Result<Vec<f64>> {
    for (index, total) in total.iter_mut().enumerate() {
        *total /= count;
        if !total.is_finite() {
            return Err(Error::NotFinite {
                node: format!("score {index}"),
                problem: "a gradient is not finite; try precision: F64".into(),
            });
        }
    }
    Ok(total)
}
