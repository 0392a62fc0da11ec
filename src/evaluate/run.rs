//! The evaluation of one circuit on one split.

use super::baselines::{permuted, random_connected};
use super::curve::{self, Curve, Ends, Measured};
use super::faithfulness::{bootstrap, faithfulness};
use super::proportion::share_interval;
use super::{Baseline, ExampleScores, SplitScores};
use crate::engine::{ModelEvaluator, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{Circuit, ComputationGraph, Dangling, EdgeMask, ranking};
use crate::metric::Metric;
use crate::model::Real;

/// What to compute beside the circuit's own faithfulness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationPlan {
    /// The metric of the spec.
    pub metric: Metric,
    /// Whether to evaluate the ranking at ten sizes.
    pub curve: bool,
    /// Number of random circuits, and of permuted ones.
    pub random_baselines: usize,
    /// The parts that these drop: those that the search for the circuit drops.
    pub dangling: Dangling,
    /// Resamples of the bootstrap interval.
    pub bootstrap: usize,
}

/// Evaluates a circuit on the examples of an evaluator, as in the [example of the crate](crate).
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Complexity
/// One ablated run per circuit: three, twenty for the curves, and twice the number of baselines.
pub fn evaluate<T: Real>(
    evaluator: &mut ModelEvaluator<'_, T>,
    graph: &ComputationGraph,
    circuit: &Circuit,
    plan: &EvaluationPlan,
    observer: &dyn Observer,
) -> Result<SplitScores> {
    let ends = [
        EdgeMask::full(graph),
        EdgeMask::empty(graph),
        circuit.kept.clone(),
    ];
    let metrics = [plan.metric, Metric::Accuracy, Metric::Kl];
    let values = evaluator.measure_metrics(&ends, &metrics)?;
    let (main, accuracy, kl) = (&values[0], &values[1], &values[2]);
    let [full, empty, kept] = [mean(&main[0]), mean(&main[1]), mean(&main[2])];
    let mut work = Work {
        evaluator,
        graph,
        plan,
        ends: Ends {
            full: &main[0],
            empty: &main[1],
        },
        observer,
    };
    let edges = circuit.kept.len();
    let mut figures = SplitScores {
        examples: main[0].len(),
        metric_full: full,
        metric_empty: empty,
        metric_circuit: kept,
        faithfulness: faithfulness(kept, full, empty),
        faithfulness_interval: bootstrap(&main[2], &main[0], &main[1], plan.bootstrap, 0),
        accuracy_full: Some(mean(&accuracy[0])),
        accuracy_full_interval: Some(share_interval(&accuracy[0])),
        accuracy_circuit: Some(mean(&accuracy[2])),
        accuracy_circuit_interval: Some(share_interval(&accuracy[2])),
        kl_circuit: Some(0.0 - mean(&kl[2])),
        random: work.baseline("random circuits", edges, random_connected)?,
        permuted: work.baseline("permuted scores", edges, permuted)?,
        each: (0..main[0].len())
            .map(|example| ExampleScores {
                metric_full: main[0][example],
                metric_empty: main[1][example],
                metric_circuit: main[2][example],
                accuracy_full: accuracy[0][example],
                accuracy_circuit: accuracy[2][example],
            })
            .collect(),
        ..SplitScores::default()
    };
    if let (true, Some(scores)) = (plan.curve, &circuit.scores) {
        let by_size = work.curve(&ranking(scores, true), |value| (1.0 - value).abs())?;
        let signed = work.curve(&ranking(scores, false), |value| value)?;
        figures.curve = Some(by_size.points);
        figures.curve_signed = Some(signed.points);
        (figures.cmd, figures.cmd_interval) = (by_size.area, by_size.area_interval);
        (figures.cpr, figures.cpr_interval) = (signed.area, signed.area_interval);
    }
    Ok(figures)
}

struct Work<'w, 'e, T> {
    evaluator: &'w mut ModelEvaluator<'e, T>,
    graph: &'w ComputationGraph,
    plan: &'w EvaluationPlan,
    ends: Ends<'w>,
    observer: &'w dyn Observer,
}

impl<T: Real> Work<'_, '_, T> {
    fn baseline(
        &mut self,
        name: &str,
        edges: usize,
        circuit: fn(&ComputationGraph, usize, Dangling, u64) -> EdgeMask,
    ) -> Result<Option<Baseline>> {
        let count = self.plan.random_baselines;
        if count == 0 || edges == 0 {
            return Ok(None);
        }
        phase(self.observer, name, count as u64);
        let circuits: Vec<EdgeMask> = (0..count as u64)
            .map(|seed| circuit(self.graph, edges, self.plan.dangling, seed))
            .collect();
        let [measured] = self.measure(&circuits, [self.plan.metric])?;
        let (full, empty) = (mean(self.ends.full), mean(self.ends.empty));
        let values: Vec<f64> = measured
            .iter()
            .filter_map(|values| faithfulness(mean(values), full, empty))
            .collect();
        if values.is_empty() {
            return Ok(None);
        }
        Ok(Some(Baseline {
            mean: mean(&values),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            values,
        }))
    }

    /// The curve of a ranking, with the area under `height` of its faithfulness.
    fn curve(&mut self, order: &[usize], height: fn(f64) -> f64) -> Result<Curve> {
        let circuits = curve::circuits(self.graph, order);
        phase(self.observer, "faithfulness by size", circuits.len() as u64);
        let metrics = [self.plan.metric, Metric::Accuracy, Metric::Kl];
        let [metric, accuracy, mut kl] = self.measure(&circuits, metrics)?;
        for value in kl.iter_mut().flatten() {
            // Not the negation, which of 0 is -0.
            *value = 0.0 - *value;
        }
        let measured = Measured {
            metric,
            accuracy,
            kl,
        };
        let edges: Vec<usize> = circuits.iter().map(EdgeMask::len).collect();
        let resamples = self.plan.bootstrap;
        Ok(curve::curve(
            &edges, &measured, self.ends, height, resamples,
        ))
    }

    /// Metrics of circuits: `[metrics][circuits][examples]`, a few circuits at a time.
    fn measure<const N: usize>(
        &mut self,
        circuits: &[EdgeMask],
        metrics: [Metric; N],
    ) -> Result<[Vec<Vec<f64>>; N]> {
        let mut found = [const { Vec::new() }; N];
        for circuits in circuits.chunks(4) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let values = self.evaluator.measure_metrics(circuits, &metrics)?;
            for (found, values) in found.iter_mut().zip(values) {
                found.extend(values);
            }
            self.observer.event(Event::Step {
                done: found[0].len() as u64,
                note: String::new(),
            });
        }
        Ok(found)
    }
}
