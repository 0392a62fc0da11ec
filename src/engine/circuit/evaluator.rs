//! What a search may ask of a model: the metric of circuits, and linear estimates of edges' effects.

use crate::engine::BLOCK;
use crate::error::Result;
use crate::graph::{ComputationGraph, EdgeMask, EdgeScores};

/// Measures circuits. Searches know nothing else of a model, so they can be tested on synthetic objectives.
pub trait Evaluator {
    /// The graph whose edges are kept or ablated.
    fn graph(&self) -> &ComputationGraph;

    /// Number of examples.
    fn examples(&self) -> usize;

    /// How many circuits are best handed over at once; depends on the model and data only.
    fn batch(&self) -> usize;

    /// The metric of every circuit on every example: `[circuits][examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// At most one forward pass a circuit; less the fewer parts it has.
    fn measure(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>>;

    /// As [`Evaluator::measure`], from the cached run of the circuit last given to [`Evaluator::rebase`]: only
    /// what differs from it is computed. Circuits must be subsets of it. With `keep`, what makes a rebase to one of them
    /// cheap is kept where there is room.
    ///
    /// # Errors
    /// When a number is not finite.
    fn measure_near(&mut self, circuits: &[EdgeMask], keep: bool) -> Result<Vec<Vec<f64>>>;

    /// Caches the run of a circuit for [`Evaluator::measure_near`], and gives its metric per example.
    ///
    /// # Errors
    /// When a number is not finite.
    fn rebase(&mut self, circuit: &EdgeMask) -> Result<Vec<f64>>;

    /// First-order estimate of every edge's effect, mean over examples: the writer's difference times the
    /// gradient at the reader, averaged over runs whose token embeddings lie at these points between corrupt (0)
    /// and clean (1).
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// One forward and one backward pass per point.
    fn attribution(&mut self, points: &[f64]) -> Result<EdgeScores>;

    /// As [`Evaluator::attribution`], averaged over runs in which one group of writers at a time (the token
    /// embeddings, all heads of a layer, each MLP) is set to these points between its ablated (0) and its clean
    /// value (1).
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// One forward and one backward pass per point and group.
    fn activation_attribution(&mut self, points: &[f64]) -> Result<EdgeScores>;
}

/// Mean over examples in f64: sums of blocks of 16, added in order.
pub fn mean(values: &[f64]) -> f64 {
    let total: f64 = values
        .chunks(BLOCK)
        .map(|block| block.iter().sum::<f64>())
        .sum();
    total / values.len() as f64
}
