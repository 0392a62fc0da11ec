//! The evaluator that runs a real model.

use super::attribution::GradientRuns;
use super::chunk::{Chunk, examples_per_chunk};
use super::evaluator::Evaluator;
use super::transformer::Transformer;
use super::{Ablation, AblationValues};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, EdgeMask, EdgeScores};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Rows on the row axis that keep matrix products efficient.
const BATCH_ROWS: usize = 4096;
/// Bytes that the differences of all circuits of a batch may take at most.
const BATCH_BYTES: usize = 1 << 30;
/// Most circuits in one batch.
const MAX_BATCH: usize = 64;

/// A model on the examples of a split, measuring one metric under one ablation.
pub struct ModelEvaluator<'a, T> {
    transformer: &'a Transformer<'a, T>,
    metric: Metric,
    chunks: Vec<Chunk<'a, T>>,
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
    pub fn new(
        transformer: &'a Transformer<'a, T>,
        examples: &[Example],
        metric: Metric,
        ablation: Ablation,
        values: &AblationValues<T>,
    ) -> Result<Self> {
        let mut chunks = examples
            .chunks(examples_per_chunk(examples))
            .map(|examples| Chunk::new(transformer, examples, ablation, &values.0))
            .collect::<Result<Vec<_>>>()?;
        for chunk in &mut chunks {
            chunk.ensure_reference(metric);
        }
        let rows = chunks
            .iter()
            .map(|chunk| chunk.frame.layout.rows())
            .max()
            .unwrap_or(1)
            .max(1);
        let writers = transformer.graph.writers().len();
        let bytes = rows * transformer.config().d_model * writers * size_of::<T>();
        let batch = (BATCH_ROWS / rows)
            .min(BATCH_BYTES / bytes.max(1))
            .clamp(1, MAX_BATCH);
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
        for chunk in &mut self.chunks {
            for &metric in metrics {
                chunk.ensure_reference(metric);
            }
        }
        let mut values = vec![vec![Vec::new(); circuits.len()]; metrics.len()];
        for chunk in &self.chunks {
            for empty in [true, false] {
                let indices: Vec<usize> = (0..circuits.len())
                    .filter(|&index| chunk.prefers_empty(&circuits[index]) == empty)
                    .collect();
                for group in indices.chunks(self.batch) {
                    let masks: Vec<EdgeMask> =
                        group.iter().map(|&index| circuits[index].clone()).collect();
                    let base = if empty { &chunk.empty } else { &chunk.full };
                    let finals = chunk.frame.run_circuits(base, &masks);
                    for (&index, finals) in group.iter().zip(&finals) {
                        for (metric, values) in metrics.iter().zip(&mut values) {
                            values[index].extend(self.values(chunk, *metric, finals)?);
                        }
                    }
                }
            }
        }
        Ok(values)
    }

    /// Attribution of the neurons that are nodes, by writer number, mean over examples: the gradient at a hidden
    /// unit times its difference, averaged over runs at these points between corrupt and clean.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn neuron_attribution(&mut self, points: &[f64]) -> Result<Vec<f64>> {
        self.gradients(
            points,
            self.transformer.graph.writers().len(),
            |chunk, runs| {
                chunk
                    .frame
                    .neuron_attribution(&chunk.examples, &chunk.full, runs)
            },
        )
    }

    fn gradients(
        &self,
        points: &[f64],
        count: usize,
        score: impl Fn(&Chunk<'a, T>, &GradientRuns<'_, T>) -> Vec<f64>,
    ) -> Result<Vec<f64>> {
        let mut total = vec![0.0; count];
        for chunk in &self.chunks {
            let embedded: Vec<T> = points
                .iter()
                .flat_map(|&point| chunk.between(point))
                .collect();
            let runs = GradientRuns {
                metric: self.metric,
                embedded: &embedded,
                runs: points.len(),
                interventions: Vec::new(),
                reference: chunk.reference(self.metric),
            };
            add(&mut total, &score(chunk, &runs));
        }
        per_example(total, self.examples() as f64)
    }

    fn values(&self, chunk: &Chunk<'a, T>, metric: Metric, finals: &[T]) -> Result<Vec<f64>> {
        let layout = &chunk.frame.layout;
        let values = self.transformer.metric_values(
            metric,
            layout,
            &chunk.examples,
            finals,
            chunk.reference(metric),
        );
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(Error::NotFinite {
            node: "logits".into(),
            problem: "the metric of a circuit is not finite; try precision: F64".into(),
        })
    }
}

impl<T: Real> Evaluator for ModelEvaluator<'_, T> {
    fn graph(&self) -> &ComputationGraph {
        self.transformer.graph
    }

    fn examples(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.examples.len()).sum()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn measure(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        let mut values = self.measure_metrics(circuits, &[self.metric])?;
        Ok(values.pop().unwrap_or_default())
    }

    fn measure_near(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        let mut values = vec![Vec::new(); circuits.len()];
        for chunk in &self.chunks {
            let base = chunk
                .near
                .as_ref()
                .ok_or_else(|| Error::Bug("measure_near before rebase".into()))?;
            for (group, values) in circuits
                .chunks(self.batch)
                .zip(values.chunks_mut(self.batch))
            {
                let finals = chunk.frame.run_circuits(base, group);
                for (finals, values) in finals.iter().zip(values) {
                    values.extend(self.values(chunk, self.metric, finals)?);
                }
            }
        }
        Ok(values)
    }

    fn rebase(&mut self, circuit: &EdgeMask) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        for index in 0..self.chunks.len() {
            let chunk = &mut self.chunks[index];
            let near = chunk
                .near
                .take()
                .filter(|near| circuit.is_subset(&near.mask));
            let mut near = near.unwrap_or_else(|| chunk.nearest(circuit).clone());
            let finals = chunk.frame.rebase(&mut near, circuit);
            chunk.near = Some(near);
            values.extend(self.values(&self.chunks[index], self.metric, &finals)?);
        }
        Ok(values)
    }

    fn attribution(&mut self, points: &[f64]) -> Result<EdgeScores> {
        self.gradients(
            points,
            self.transformer.graph.edge_count(),
            |chunk, runs| {
                chunk
                    .frame
                    .edge_attribution(&chunk.examples, &chunk.full, runs)
            },
        )
    }

    fn activation_attribution(&mut self, points: &[f64]) -> Result<EdgeScores> {
        let mut total = vec![0.0; self.transformer.graph.edge_count()];
        let mut groups = 1;
        for chunk in &self.chunks {
            let embedded = chunk.clean.repeat(points.len());
            let sites = chunk.writer_groups();
            groups = sites.len();
            for group in sites {
                let runs = GradientRuns {
                    metric: self.metric,
                    embedded: &embedded,
                    runs: points.len(),
                    interventions: vec![chunk.group_between(&group, points)],
                    reference: chunk.reference(self.metric),
                };
                let scores = chunk
                    .frame
                    .edge_attribution(&chunk.examples, &chunk.full, &runs);
                add(&mut total, &scores);
            }
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
