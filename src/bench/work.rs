//! How long the engine's work takes on a model and prompts of the user's, from token ids to the result.

use std::collections::BTreeMap;

use super::circuit_operations::CircuitOperations;
use super::operations::Operations;
use super::roofline::MatrixRate;
use super::step_clock::{DoneAt, StepClock};
use crate::discover::{Acdc, Decision};
use crate::engine::{
    Ablation, AblationValues, Evaluator, ModelEvaluator, Spliced, Start, Taped, Transformer,
};
use crate::error::{Error, Result};
use crate::evaluate::curve_circuits;
use crate::events::Observer;
use crate::graph::{ComputationGraph, EdgeMask, Granularity, KeyValue, Representation, ranking};
use crate::metric::Metric;
use crate::model::LoadedModel;
use crate::report::SweepPart;
use crate::score::{Eap, EapIg, Exact};
use crate::setting::Stopwatch;
use crate::setting::misfit;
use crate::task::{Dataset, Example};

/// Parts of a sweep whose cost is told apart.
const SWEEP_PARTS: usize = 8;

/// What is timed.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// The full model on the clean prompts, with the logits of every position.
    Forward,
    /// The vector-Jacobian product: the metric's gradient pulled back through a run of the clean prompts, which is not
    /// timed.
    Vjp,
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
    /// Wall time of each repetition, in seconds: clean and corrupt runs included where the work needs them, loading the
    /// model not.
    pub seconds: Vec<f64>,
    /// The machine's matrix rate before and after each repetition, where it was asked for.
    pub matrix_rates: Vec<f64>,
    /// Floating-point operations that the work needs at least.
    pub operations: f64,
    /// Edges of the graph.
    pub edges: usize,
    /// Number of circuits measured; zero for work that measures none.
    pub circuits: usize,
    /// Edges of the circuit found, by ACDC.
    pub edges_kept: Option<usize>,
    /// The cost of ACDC's tests from the first to the last, in parts of about as many; of the last repetition.
    pub sweep: Vec<SweepPart>,
}

/// Runs a piece of work several times under patch ablation with the logit difference; before and after each repetition the
/// machine's matrix rate is measured, where it is wanted.
///
/// # Errors
/// When an example lacks the wrong answers that the logit difference needs, the examples do not fit the model, a number is not finite, or the observer interrupts.
pub fn time(
    model: &LoadedModel,
    dataset: &Dataset,
    work: &Work,
    (repeat, kv): (usize, KeyValue),
    mut rate: Option<&mut MatrixRate>,
    observer: &dyn Observer,
) -> Result<Timing> {
    let (weights, examples) = (&model.weights, &dataset.examples[..]);
    for (index, example) in examples.iter().enumerate() {
        if *work != Work::Forward
            && let Some(problem) = misfit(Metric::LogitDiff, None, example)
        {
            let row = format!("{}, row {}", dataset.source, index + 1);
            return Err(Error::data(row, problem));
        }
    }
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
    // A gradient at the heads of the first layer has come back through everything after them.
    let sites = [(0, Representation::Heads)];
    let clean = match work {
        Work::Vjp => Some(Spliced::new(&bench.transformer, examples, &sites, false)?),
        _ => None,
    };
    let prepared = Prepared {
        taped: clean.as_ref().map(|clean| clean.taped(None)),
        circuits: bench.circuits(work)?,
    };
    let mut timing = Timing {
        seconds: Vec::new(),
        matrix_rates: Vec::new(),
        operations: 0.0,
        edges: graph.edge_count(),
        circuits: match work {
            Work::Evaluate => prepared.circuits.len(),
            Work::Exact => graph.edge_count(),
            _ => 0,
        },
        edges_kept: None,
        sweep: Vec::new(),
    };
    let mut found = None;
    let mut measure_rate = || rate.as_mut().map(|rate| rate.measure());
    timing.matrix_rates.extend(measure_rate());
    for _ in 0..repeat {
        let stopwatch = Stopwatch::start();
        found = bench.run(work, &prepared)?;
        timing.seconds.push(stopwatch.seconds());
        timing.matrix_rates.extend(measure_rate());
    }
    let decisions = found.as_ref().map_or(&[][..], |found| &found.decisions);
    let count = Operations::new(&weights.config, examples);
    timing.operations = operations(&count, &graph, work, (&prepared.circuits, decisions));
    if let Some(found) = &found {
        timing.circuits = tested(decisions);
        timing.edges_kept = Some(found.kept);
        timing.sweep = sweep_parts(decisions, &found.steps, graph.edge_count());
    }
    Ok(timing)
}

/// What is there before the clock starts.
struct Prepared<'s, 't, 'a> {
    /// For the vector-Jacobian product.
    taped: Option<Taped<'s, 't, 'a, f32>>,
    /// To be measured.
    circuits: Vec<EdgeMask>,
}

/// What a search found, and when.
struct Found {
    decisions: Vec<Decision>,
    kept: usize,
    steps: Vec<DoneAt>,
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

    /// Circuits of MIB's ten sizes, for the work that measures them.
    fn circuits(&self, work: &Work) -> Result<Vec<EdgeMask>> {
        if *work != Work::Evaluate {
            return Ok(Vec::new());
        }
        let ablated = self.ablated()?;
        let scores = EapIg::default().score(&mut self.evaluator(&ablated)?)?;
        Ok(curve_circuits(self.graph, &ranking(&scores, true)))
    }

    fn run(&self, work: &Work, prepared: &Prepared<'_, '_, '_>) -> Result<Option<Found>> {
        if *work == Work::Forward {
            let prompts: Vec<&[u32]> = self.examples.iter().map(|it| &it.clean[..]).collect();
            self.transformer.all_logits(&prompts);
            return Ok(None);
        }
        if let Some(taped) = &prepared.taped {
            taped.gradients(Start::Metric(Metric::LogitDiff), false);
            return Ok(None);
        }
        let ablated = self.ablated()?;
        let mut evaluator = self.evaluator(&ablated)?;
        match work {
            Work::Forward | Work::Vjp => {}
            Work::Eap => {
                Eap {}.score(&mut evaluator)?;
            }
            Work::EapIg { steps } => {
                EapIg { steps: *steps }.score(&mut evaluator)?;
            }
            Work::Evaluate => {
                evaluator.measure(&prepared.circuits)?;
            }
            Work::Exact => {
                Exact {}.score(&mut evaluator, self.observer)?;
            }
            Work::Acdc { tau } => {
                let full = EdgeMask::full(self.graph);
                let clock = StepClock::new(self.observer);
                let found = Acdc::new(*tau).edges(&mut evaluator, &full, &clock)?;
                return Ok(Some(Found {
                    kept: found.kept.len(),
                    decisions: found.decisions,
                    steps: clock.steps(),
                }));
            }
        }
        Ok(None)
    }
}

/// The floating-point operations that some work needs at least, given the circuits that it measures or what it decided.
fn operations(
    count: &Operations<'_>,
    graph: &ComputationGraph,
    work: &Work,
    (circuits, decisions): (&[EdgeMask], &[Decision]),
) -> f64 {
    let of_circuits = CircuitOperations::new(count, graph);
    match work {
        Work::Forward => count.forward(),
        Work::Vjp => count.backward(),
        Work::Eap => count.attribution(graph, 0, 1),
        Work::EapIg { steps } => count.attribution(graph, steps.saturating_sub(1), *steps),
        Work::Evaluate => {
            let full = of_circuits.known(&EdgeMask::full(graph));
            let each = circuits.iter().map(|it| of_circuits.run(it, &full));
            count.both_runs() + each.sum::<f64>()
        }
        Work::Exact => count.both_runs() + of_circuits.without_each_edge(),
        Work::Acdc { .. } => count.both_runs() + of_circuits.search(decisions),
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
