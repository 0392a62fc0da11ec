//! How long the engine's work takes on a model and prompts of the user's, from token ids to the result.

use std::collections::BTreeMap;

use super::operations::Operations;
use super::provenance::Stopwatch;
use crate::discover::Acdc;
use crate::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer};
use crate::error::Result;
use crate::evaluate::curve_circuits;
use crate::events::Observer;
use crate::graph::{ComputationGraph, EdgeMask, Granularity, KeyValue, ranking};
use crate::metric::Metric;
use crate::model::{LoadedModel, Weights};
use crate::score::{Eap, EapIg, Exact};
use crate::task::Example;

/// What is timed.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// The full model on the clean prompts, with the logits of every position.
    Forward,
    /// Edge attribution patching.
    Eap,
    /// EAP-IG over inputs with this many steps.
    EapIg {
        /// Number of steps.
        steps: usize,
    },
    /// The metric of circuits of MIB's ten sizes; their ranking is not timed.
    Evaluate,
    /// Exact patching of every edge.
    Exact,
    /// ACDC from the full model to its end.
    Acdc {
        /// The threshold.
        tau: f64,
    },
}

/// What a piece of work took.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Wall time of each repetition, in seconds: clean and corrupt runs included, loading the model not.
    pub seconds: Vec<f64>,
    /// Floating-point operations that the method needs at least, where they can be counted.
    pub operations: Option<f64>,
    /// Edges of the graph.
    pub edges: usize,
    /// Number of circuits measured; zero for work that measures none.
    pub circuits: usize,
    /// Edges of the circuit found, by ACDC.
    pub edges_kept: Option<usize>,
}

/// Runs a piece of work several times, under patch ablation with the logit difference.
///
/// # Errors
/// When the examples do not fit the model, a number is not finite, or the observer interrupts.
pub fn time(
    model: &LoadedModel,
    examples: &[Example],
    work: &Work,
    (repeat, kv): (usize, KeyValue),
    observer: &dyn Observer,
) -> Result<Timing> {
    let weights = &model.weights;
    let granularity = Granularity {
        kv,
        ..Granularity::default()
    };
    let graph = ComputationGraph::new(&weights.config, &granularity, &BTreeMap::new())?;
    let bench = Bench {
        transformer: Transformer::new(weights, &graph),
        graph: &graph,
        examples,
        observer,
    };
    let circuits = match work {
        Work::Evaluate => {
            let ablated = bench.ablated()?;
            let scores = EapIg::default().score(&mut bench.evaluator(&ablated)?)?;
            curve_circuits(&graph, &ranking(&scores, true))
        }
        _ => Vec::new(),
    };
    let mut timing = Timing {
        seconds: Vec::new(),
        operations: bench.operations(weights, work),
        edges: graph.edge_count(),
        circuits: 0,
        edges_kept: None,
    };
    for _ in 0..repeat {
        let stopwatch = Stopwatch::start();
        bench.run(work, &circuits, &mut timing)?;
        timing.seconds.push(stopwatch.seconds());
    }
    Ok(timing)
}

struct Bench<'b> {
    transformer: Transformer<'b, f32>,
    graph: &'b ComputationGraph,
    examples: &'b [Example],
    observer: &'b dyn Observer,
}

impl Bench<'_> {
    fn ablated(&self) -> Result<AblationValues<f32>> {
        AblationValues::new(
            &self.transformer,
            self.examples,
            Ablation::Patch,
            self.observer,
        )
    }

    fn evaluator<'e>(&'e self, ablated: &AblationValues<f32>) -> Result<ModelEvaluator<'e, f32>> {
        ModelEvaluator::new(
            &self.transformer,
            self.examples,
            Metric::LogitDiff,
            Ablation::Patch,
            ablated,
        )
    }

    fn run(&self, work: &Work, circuits: &[EdgeMask], timing: &mut Timing) -> Result<()> {
        if *work == Work::Forward {
            let prompts: Vec<&[u32]> = self.examples.iter().map(|it| &it.clean[..]).collect();
            self.transformer.all_logits(&prompts);
            return Ok(());
        }
        let ablated = self.ablated()?;
        let mut evaluator = self.evaluator(&ablated)?;
        match work {
            Work::Forward => {}
            Work::Eap => {
                Eap {}.score(&mut evaluator)?;
            }
            Work::EapIg { steps } => {
                EapIg { steps: *steps }.score(&mut evaluator)?;
            }
            Work::Evaluate => {
                timing.circuits = circuits.len();
                evaluator.measure(circuits)?;
            }
            Work::Exact => {
                timing.circuits = self.graph.edge_count();
                Exact {}.score(&mut evaluator, self.observer)?;
            }
            Work::Acdc { tau } => {
                let full = EdgeMask::full(self.graph);
                let found = Acdc::new(*tau).edges(&mut evaluator, &full, self.observer)?;
                timing.circuits = found.decisions.iter().filter(|it| it.tested).count();
                timing.edges_kept = Some(found.kept.len());
            }
        }
        Ok(())
    }

    fn operations(&self, weights: &Weights<f32>, work: &Work) -> Option<f64> {
        let count = Operations::new(&weights.config, self.examples);
        match work {
            Work::Forward => Some(count.forward()),
            Work::Eap => Some(count.attribution(self.graph, 1)),
            Work::EapIg { steps } => Some(count.attribution(self.graph, *steps)),
            Work::Evaluate | Work::Exact | Work::Acdc { .. } => None,
        }
    }
}
