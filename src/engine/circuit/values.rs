//! What an ablation takes from the discovery split, shared by the evaluators of both splits.

use crate::engine::circuit::ablated::Means;
use crate::engine::pass::transformer::Transformer;
use crate::engine::{Ablation, Donors};
use crate::error::Result;
use crate::events::Observer;
use crate::graph::{ComputationGraph, Node};
use crate::model::Real;
use crate::task::Example;

/// What an ablation takes from the discovery split: nothing, mean activations, learned constants, or examples whose
/// runs replace others.
#[derive(Debug, Clone)]
pub struct AblationValues<T>(pub(crate) Values<T>);

#[derive(Debug, Clone)]
pub(crate) enum Values<T> {
    /// Patch and zero take nothing.
    Nothing,
    /// A constant for each writer, or one per position.
    Constants(Means<T>),
    /// Examples to draw from.
    Donors(Donors),
}

impl<T: Real> AblationValues<T> {
    /// What an ablation takes from the clean runs of `examples`, the discovery split.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass for mean ablations; for optimal ablation one forward and one backward pass a step.
    pub fn new(
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        ablation: Ablation,
        observer: &dyn Observer,
    ) -> Result<Self> {
        Ok(Self(match ablation {
            Ablation::Patch | Ablation::Zero => Values::Nothing,
            Ablation::Mean => Values::Constants(Means::over(transformer, examples, false)),
            Ablation::MeanPositional => Values::Constants(Means::over(transformer, examples, true)),
            Ablation::Optimal(optimal) => {
                let means = Means::over(transformer, examples, false);
                // A constant stands for a node at all positions, whatever their spans.
                let graph = transformer.graph();
                let merged = ComputationGraph::new(
                    transformer.config(),
                    graph.granularity(),
                    graph.neurons(),
                )?;
                let transformer =
                    Transformer::new(transformer.weights, &merged).within(transformer.room);
                Values::Constants(optimal.train(&transformer, examples, means, observer)?)
            }
            Ablation::Resample(resample) => Values::Donors(Donors::new(examples, resample)),
        }))
    }

    /// What a writer writes in place of its own where that is one constant for all positions, `[d_model]`.
    ///
    /// # Panics
    /// When the graph has no such writer.
    pub fn constant(&self, transformer: &Transformer<'_, T>, writer: usize) -> Option<Vec<T>> {
        let Values::Constants(means) = &self.0 else {
            return None;
        };
        if means.positional {
            return None;
        }
        let value = means.constant(transformer, writer);
        Some(match transformer.graph().writers()[writer] {
            Node::Head { layer, head } => transformer.project_head(layer, head, value),
            Node::Neuron { layer, neuron } => transformer.project_neuron(layer, neuron, value),
            _ => value.to_vec(),
        })
    }
}
