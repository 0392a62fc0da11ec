//! The metric when neurons are replaced: exact, by circuits of the graph in which these neurons are nodes.

use super::screen::Unit;
use crate::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{ComputationGraph, EdgeMask, Granularity, NeuronNodes, Node};
use crate::metric::Metric;
use crate::model::{Real, Weights};
use crate::task::Example;

/// How neurons are replaced, and what is measured then.
pub(super) struct Replacement<'r, T> {
    pub weights: &'r Weights<T>,
    /// Bytes that runs may take, where they are bounded.
    pub room: Option<usize>,
    pub metric: Metric,
    pub ablation: Ablation,
    /// The prompts whose clean runs means are taken over, or replacements drawn from.
    pub prompts: &'r [Example],
    pub observer: &'r dyn Observer,
}

impl<T: Real> Replacement<'_, T> {
    /// The metric of each example with each of some sets of neurons replaced, `[sets][examples]`.
    ///
    /// # Errors
    /// When a number is not finite, a neuron cannot be a node, or the observer interrupts.
    ///
    /// # Complexity
    /// At most one forward pass for each set, and two to three more.
    pub(super) fn measure(
        &self,
        what: &str,
        examples: &[Example],
        sets: &[Vec<Unit>],
    ) -> Result<Vec<Vec<f64>>> {
        phase(self.observer, what, sets.len() as u64);
        let graph = graph_of(self.weights, sets.iter().flatten().copied())?;
        let transformer = Transformer::new(self.weights, &graph).within(self.room);
        let values = AblationValues::new(&transformer, self.prompts, self.ablation, self.observer)?;
        let mut evaluator =
            ModelEvaluator::new(&transformer, examples, self.metric, self.ablation, &values)?;
        let mut measured = Vec::with_capacity(sets.len());
        for batch in sets.chunks(evaluator.batch()) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let circuits: Vec<EdgeMask> = batch.iter().map(|set| without(&graph, set)).collect();
            measured.extend(evaluator.measure(&circuits)?);
            self.observer.event(Event::Step {
                done: measured.len() as u64,
                note: String::new(),
            });
        }
        Ok(measured)
    }
}

/// The graph in which some neurons are nodes.
pub(super) fn graph_of<T: Real>(
    weights: &Weights<T>,
    neurons: impl Iterator<Item = Unit>,
) -> Result<ComputationGraph> {
    let mut nodes = NeuronNodes::new();
    for (layer, neuron) in neurons {
        nodes.entry(layer).or_default().push(neuron);
    }
    for neurons in nodes.values_mut() {
        neurons.sort_unstable();
        neurons.dedup();
    }
    ComputationGraph::new(&weights.config, &Granularity::default(), &nodes)
}

/// The full model without the edges of some neurons.
fn without(graph: &ComputationGraph, neurons: &[Unit]) -> EdgeMask {
    let mut kept = EdgeMask::full(graph);
    for &(layer, neuron) in neurons {
        let Some(writer) = graph.writer(Node::Neuron { layer, neuron }) else {
            continue;
        };
        for reader in 0..graph.readers().len() {
            if graph.edge(writer, reader).is_some() {
                kept.remove(writer, reader);
            }
        }
    }
    kept
}
