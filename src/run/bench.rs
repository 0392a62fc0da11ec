//! How long the engine's work takes on a model and prompts of the user's, from token ids to the result.

use std::collections::BTreeMap;

use super::operations::Operations;
use super::provenance::Stopwatch;
use super::step_clock::{DoneAt, StepClock};
use crate::discover::{Acdc, Decision};
use crate::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer};
use crate::error::Result;
use crate::evaluate::curve_circuits;
use crate::events::Observer;
use crate::graph::{ComputationGraph, EdgeMask, Granularity, KeyValue, ranking};
use crate::metric::Metric;
use crate::model::{LoadedModel, Weights};
use crate::report::SweepPart;
use crate::score::{Eap, EapIg, Exact};
use crate::task::Example;

/// Parts of a sweep whose cost is told apart.
const SWEEP_PARTS: usize = 8;

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
    /// The cost of ACDC's tests from the first to the last, in parts of about as many; of the last repetition.
    pub sweep: Vec<SweepPart>,
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
        sweep: Vec::new(),
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
                let clock = StepClock::new(self.observer);
                let found = Acdc::new(*tau).edges(&mut evaluator, &full, &clock)?;
                timing.circuits = tested(&found.decisions);
                timing.edges_kept = Some(found.kept.len());
                timing.sweep = sweep_parts(&found.decisions, &clock.steps(), full.len());
            }
        }
        Ok(())
    }

    fn operations(&self, weights: &Weights<f32>, work: &Work) -> Option<f64> {
        let count = Operations::new(&weights.config, self.examples);
        match work {
            Work::Forward => Some(count.forward()),
            Work::Eap => Some(count.attribution(self.graph, 0, 1)),
            Work::EapIg { steps } => {
                Some(count.attribution(self.graph, steps.saturating_sub(1), *steps))
            }
            Work::Evaluate | Work::Exact | Work::Acdc { .. } => None,
        }
    }
}

fn tested(decisions: &[Decision]) -> usize {
    decisions.iter().filter(|it| it.tested).count()
}

/// Cuts a sweep over `edges` edges into parts of about as many tests; they end where the search reported a step.
fn sweep_parts(decisions: &[Decision], steps: &[DoneAt], edges: usize) -> Vec<SweepPart> {
    let total = tested(decisions);
    let mut parts = Vec::new();
    let (mut from, mut tested_before, mut started) = (0, 0, 0.0);
    for step in steps {
        let done = step.done.min(decisions.len());
        let tested_now = tested(&decisions[..done]);
        if tested_now * SWEEP_PARTS < (parts.len() + 1) * total && done < decisions.len() {
            continue;
        }
        let gone = decisions[..from].iter().filter(|it| !it.kept).count();
        if tested_now > tested_before {
            parts.push(SweepPart {
                tested: tested_now - tested_before,
                seconds: step.seconds - started,
                edges: edges - gone,
                decided: from,
            });
        }
        (from, tested_before, started) = (done, tested_now, step.seconds);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_sweep_cover_all_tests() {
        let decision = |edge| Decision {
            edge,
            change: 0.0,
            kept: edge % 2 == 0,
            tested: edge % 5 != 0,
        };
        let decisions: Vec<Decision> = (0..100).map(decision).collect();
        let done_at = |done| DoneAt {
            done,
            seconds: done as f64,
        };
        let steps: Vec<DoneAt> = (1..=20).map(|step| done_at(5 * step)).collect();
        let parts = sweep_parts(&decisions, &steps, 100);
        assert_eq!(parts.len(), SWEEP_PARTS);
        assert_eq!(parts.iter().map(|part| part.tested).sum::<usize>(), 80);
        assert!((parts.iter().map(|part| part.seconds).sum::<f64>() - 100.0).abs() < 1e-9);
        assert_eq!((parts[0].edges, parts[0].decided), (100, 0));
        assert!(parts.is_sorted_by(|before, after| before.edges > after.edges));
        assert!(sweep_parts(&[], &steps, 0).is_empty());
    }
}
