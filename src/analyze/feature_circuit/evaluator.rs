//! The metric of circuits of features, and the attribution of features: what searches ask.

use rayon::prelude::*;

use super::decomposition::{KeptNodes, Parts, merged};
use super::placed::SaeNodes;
use super::replacement::Replacement;
use crate::engine::{
    BLOCK, Evaluator, Representation, RowPlaces, Splice, Spliced, Start, Taped, Transformer,
};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, EdgeMask, EdgeScores};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Rows that are run together, at least where there are circuits enough.
pub(super) const BATCH_ROWS: usize = 1024;
/// Most circuits in one batch.
const MAX_BATCH: usize = 32;

/// Examples that are run together.
pub(super) struct Group<'e, 'a, T> {
    pub spliced: Spliced<'e, 'a, T>,
    /// By autoencoder.
    pub clean: Vec<Parts<T>>,
    pub replaced: Vec<Parts<T>>,
    pub examples: usize,
}

/// Measures circuits whose nodes are features and errors. A node that is not kept has its replaced value at every position;
/// one that is kept has the value that it has in the run of the circuit.
pub struct FeatureEvaluator<'e, 'a, T> {
    placements: &'e SaeNodes<T>,
    graph: ComputationGraph,
    metric: Metric,
    groups: Vec<Group<'e, 'a, T>>,
    batch: usize,
    silent: Vec<bool>,
    /// The metric of the full model.
    full: Vec<f64>,
}

impl<'e, 'a, T: Real> FeatureEvaluator<'e, 'a, T> {
    /// Runs the prompts and takes their representations apart.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// Two to three forward passes.
    pub fn new(
        transformer: &'e Transformer<'a, T>,
        placements: &'e SaeNodes<T>,
        examples: &'e [Example],
        metric: Metric,
        replacement: &Replacement<T>,
    ) -> Result<Self> {
        let mut groups = Vec::new();
        for examples in examples.chunks(BLOCK) {
            let constants = replacement.constants();
            let patches = constants.is_none();
            let spliced = Spliced::new(transformer, examples, placements.sites(), patches)?;
            let parts = |values: &[Vec<T>]| {
                let each = placements.all().iter().zip(values);
                each.map(|(placed, rows)| placed.parts(rows)).collect()
            };
            let replaced = match constants {
                None => parts(spliced.corrupt()),
                Some(constants) => constants.to_vec(),
            };
            groups.push(Group {
                clean: parts(spliced.clean()),
                replaced,
                examples: examples.len(),
                spliced,
            });
        }
        let rows = groups.iter().map(|group| group.spliced.rows()).max();
        let mut evaluator = Self {
            graph: placements.graph(),
            batch: (BATCH_ROWS / rows.unwrap_or(1).max(1)).clamp(1, MAX_BATCH),
            silent: silent(placements, &groups),
            placements,
            metric,
            groups,
            full: Vec::new(),
        };
        let full = EdgeMask::full(&evaluator.graph);
        evaluator.full = evaluator
            .measure_metric(metric, &[full])?
            .pop()
            .unwrap_or_default();
        Ok(evaluator)
    }

    /// By node: whether it is the same in clean runs and replaced, so that replacing it alone changes nothing.
    pub fn silent(&self) -> &[bool] {
        &self.silent
    }

    /// Any metric of circuits, `[circuits][examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// A forward pass from the first autoencoder on for each circuit.
    pub fn measure_metric(&self, metric: Metric, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        let mut values = vec![Vec::new(); circuits.len()];
        for (circuits, values) in circuits
            .chunks(self.batch)
            .zip(values.chunks_mut(self.batch))
        {
            let kept: Vec<Vec<KeptNodes>> = circuits.iter().map(|it| self.kept(it)).collect();
            for group in &self.groups {
                let splice = Circuits {
                    placements: self.placements,
                    replaced: &group.replaced,
                    kept: &kept,
                };
                let found = group.spliced.metric(metric, circuits.len(), &splice)?;
                for (values, found) in values.iter_mut().zip(found) {
                    values.extend(found);
                }
            }
        }
        Ok(values)
    }

    /// What a circuit keeps, by autoencoder.
    fn kept(&self, circuit: &EdgeMask) -> Vec<KeptNodes> {
        let keeps = |node: usize| circuit.contains(node, 0);
        let each = 0..self.placements.all().len();
        each.map(|index| KeptNodes {
            features: (self.placements.first(index)..self.placements.error(index))
                .map(keeps)
                .collect(),
            error: keeps(self.placements.error(index)),
        })
        .collect()
    }

    /// Adds what nodes differ from their replaced values, times the gradient, summed over rows and examples.
    fn score(&self, group: &Group<'_, '_, T>, gradients: &[Vec<T>], scores: &mut [f64]) {
        for (index, gradient) in gradients.iter().enumerate() {
            let (first, error) = (self.placements.first(index), self.placements.error(index));
            let placed = &self.placements.all()[index];
            let width = placed.dictionary.width;
            let (clean, replaced) = (&group.clean[index], &group.replaced[index]);
            for (row, gradient) in gradient.chunks_exact(width).enumerate() {
                let other = row % replaced.active.len();
                let at = |row: usize| row * width..(row + 1) * width;
                for (feature, own, other) in merged(&clean.active[row], &replaced.active[other]) {
                    let along = product(placed.direction(feature), gradient);
                    scores[first + feature] += (own - other).to_f64() * along;
                }
                let own = product(&clean.error[at(row)], gradient);
                let other = product(&replaced.error[at(other)], gradient);
                scores[error] += own - other;
            }
        }
    }

    /// Scores of all nodes: means over examples of sums over the runs of each group, by their gradients at the
    /// representations.
    fn attribute(
        &self,
        runs: usize,
        gradients: impl Fn(&Group<'e, 'a, T>, usize) -> Vec<Vec<T>>,
    ) -> Result<EdgeScores> {
        let mut total = vec![0.0; self.placements.nodes()];
        for group in &self.groups {
            let mut scores = vec![0.0; total.len()];
            for run in 0..runs {
                self.score(group, &gradients(group, run), &mut scores);
            }
            for (total, score) in total.iter_mut().zip(scores) {
                *total += score;
            }
        }
        let count = self.examples() as f64;
        for (node, total) in total.iter_mut().enumerate() {
            *total /= count;
            if !total.is_finite() {
                return Err(Error::NotFinite {
                    node: self.placements.node(node).to_string(),
                    problem: "its gradient is not finite; try precision: F64".into(),
                });
            }
        }
        Ok(total)
    }

    pub(super) fn groups(&self) -> &[Group<'e, 'a, T>] {
        &self.groups
    }

    fn metric_gradients(&self, run: &Taped<'_, '_, '_, T>) -> Vec<Vec<T>> {
        run.gradients(Start::Metric(self.metric), false)
    }
}

/// Inner product, in double precision.
pub(super) fn product<T: Real>(one: &[T], other: &[T]) -> f64 {
    one.iter()
        .zip(other)
        .fold(0.0, |sum, (a, b)| sum + a.to_f64() * b.to_f64())
}

/// The nodes that are the same in clean runs and replaced.
fn silent<T: Real>(placements: &SaeNodes<T>, groups: &[Group<'_, '_, T>]) -> Vec<bool> {
    let mut silent = vec![true; placements.nodes()];
    for group in groups {
        for (index, (clean, replaced)) in group.clean.iter().zip(&group.replaced).enumerate() {
            // What is left is never the same but where prompts are.
            silent[placements.error(index)] = false;
            for (row, active) in clean.active.iter().enumerate() {
                let other = &replaced.active[row % replaced.active.len()];
                for (feature, own, other) in merged(active, other) {
                    if own != other {
                        silent[placements.first(index) + feature] = false;
                    }
                }
            }
        }
    }
    silent
}

/// Runs of circuits side by side.
struct Circuits<'c, T> {
    placements: &'c SaeNodes<T>,
    replaced: &'c [Parts<T>],
    /// By circuit and autoencoder.
    kept: &'c [Vec<KeptNodes>],
}

impl<T: Real> Splice<T> for Circuits<'_, T> {
    fn splice(&self, at: (usize, Representation), rows: &mut [T], _: &RowPlaces) {
        let mut sites = self.placements.sites().iter();
        let Some(index) = sites.position(|&site| site == at) else {
            return;
        };
        let placed = &self.placements.all()[index];
        let each = rows.len() / self.kept.len().max(1);
        rows.par_chunks_mut(each.max(1))
            .zip(self.kept)
            .for_each(|(rows, kept)| placed.replace(&kept[index], &self.replaced[index], rows));
    }
}

/// One representation between its replaced (0) and its clean value (1).
struct Between<'b, T> {
    site: (usize, Representation),
    point: T,
    clean: &'b [T],
    replaced: &'b [T],
}

impl<T: Real> Splice<T> for Between<'_, T> {
    fn splice(&self, at: (usize, Representation), rows: &mut [T], _: &RowPlaces) {
        if self.site != at {
            return;
        }
        let ends = self.clean.iter().zip(self.replaced.iter().cycle());
        for (value, (&clean, &replaced)) in rows.iter_mut().zip(ends) {
            *value = replaced + self.point * (clean - replaced);
        }
    }
}

impl<T: Real> Evaluator for FeatureEvaluator<'_, '_, T> {
    fn graph(&self) -> &ComputationGraph {
        &self.graph
    }

    fn examples(&self) -> usize {
        self.groups.iter().map(|group| group.examples).sum()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn measure(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        // Where all that is replaced is as it was, so is all that comes after it.
        let changes: Vec<usize> = (0..circuits.len())
            .filter(|&index| {
                let mut nodes = 0..self.placements.nodes();
                nodes.any(|node| !self.silent[node] && !circuits[index].contains(node, 0))
            })
            .collect();
        let run: Vec<EdgeMask> = changes
            .iter()
            .map(|&index| circuits[index].clone())
            .collect();
        let measured = self.measure_metric(self.metric, &run)?;
        let mut values = vec![self.full.clone(); circuits.len()];
        for (index, measured) in changes.into_iter().zip(measured) {
            values[index] = measured;
        }
        Ok(values)
    }

    fn measure_near(&mut self, circuits: &[EdgeMask], _: bool) -> Result<Vec<Vec<f64>>> {
        self.measure(circuits)
    }

    fn rebase(&mut self, circuit: &EdgeMask) -> Result<Vec<f64>> {
        let mut values = self.measure(std::slice::from_ref(circuit))?;
        Ok(values.pop().unwrap_or_default())
    }

    fn attribution(&mut self, points: &[f64]) -> Result<EdgeScores> {
        let mut scores = self.attribute(points.len(), |group, run| {
            // The clean run is made again from the first autoencoder on only.
            if points[run] >= 1.0 {
                self.metric_gradients(&group.spliced.taped(None))
            } else {
                self.metric_gradients(&group.spliced.taped_between(points[run]))
            }
        })?;
        for score in &mut scores {
            *score /= points.len() as f64;
        }
        Ok(scores)
    }

    fn activation_attribution(&mut self, points: &[f64]) -> Result<EdgeScores> {
        let runs = points.len() * self.placements.sites().len();
        let mut scores = self.attribute(runs, |group, run| {
            let (index, point) = (run / points.len(), points[run % points.len()]);
            let splice = Between {
                site: self.placements.sites()[index],
                point: T::from_f64(point),
                clean: &group.clean[index].whole,
                replaced: &group.replaced[index].whole,
            };
            let mut gradients = self.metric_gradients(&group.spliced.taped(Some(&splice)));
            // The run says nothing of the other autoencoders.
            for (other, gradient) in gradients.iter_mut().enumerate() {
                if other != index {
                    gradient.clear();
                }
            }
            gradients
        })?;
        for score in &mut scores {
            *score /= points.len() as f64;
        }
        Ok(scores)
    }
}
