//! The evaluation of one circuit on one split.

use super::baselines::{permuted, random_connected};
use super::faithfulness::{bootstrap, faithfulness};
use super::{Baseline, CurvePoint, Figures};
use crate::engine::{ModelEvaluator, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{Circuit, ComputationGraph, Dangling, EdgeMask, ranking};
use crate::metric::Metric;
use crate::model::Real;

/// MIB's ten sizes, as shares of the graph's edges.
const SHARES: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// What to compute beside the circuit's own faithfulness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationPlan {
    /// The metric of the spec.
    pub metric: Metric,
    /// Whether to evaluate the ranking at ten sizes.
    pub curve: bool,
    /// Number of random circuits, and of permuted ones.
    pub random_baselines: usize,
    /// Resamples of the bootstrap interval.
    pub bootstrap: usize,
}

/// Evaluates a circuit on the examples of an evaluator.
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
) -> Result<Figures> {
    let ends = [
        EdgeMask::full(graph),
        EdgeMask::empty(graph),
        circuit.kept.clone(),
    ];
    let values = evaluator.measure_metrics(&ends, &[plan.metric, Metric::Accuracy])?;
    let (main, accuracy) = (&values[0], &values[1]);
    let [full, empty, kept] = [mean(&main[0]), mean(&main[1]), mean(&main[2])];
    let mut work = Work {
        evaluator,
        graph,
        plan,
        full,
        empty,
        observer,
    };
    let edges = circuit.kept.len();
    let mut figures = Figures {
        examples: main[0].len(),
        metric_full: full,
        metric_empty: empty,
        metric_circuit: kept,
        faithfulness: faithfulness(kept, full, empty),
        faithfulness_interval: bootstrap(&main[2], &main[0], &main[1], plan.bootstrap, 0),
        accuracy_full: Some(mean(&accuracy[0])),
        accuracy_circuit: Some(mean(&accuracy[2])),
        random: work.baseline("random circuits", edges, random_connected)?,
        permuted: work.baseline("permuted scores", edges, permuted)?,
        ..Figures::default()
    };
    if let (true, Some(scores)) = (plan.curve, &circuit.scores) {
        let by_size = work.curve(&ranking(scores, true))?;
        let signed = work.curve(&ranking(scores, false))?;
        figures.cpr = area(&signed, |faithfulness| faithfulness);
        figures.cmd = area(&by_size, |faithfulness| (1.0 - faithfulness).abs());
        figures.curve = Some(by_size);
    }
    Ok(figures)
}

struct Work<'w, 'e, T> {
    evaluator: &'w mut ModelEvaluator<'e, T>,
    graph: &'w ComputationGraph,
    plan: &'w EvaluationPlan,
    full: f64,
    empty: f64,
    observer: &'w dyn Observer,
}

impl<T: Real> Work<'_, '_, T> {
    fn faithfulness(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Option<f64>>> {
        let mut found = Vec::with_capacity(circuits.len());
        for circuits in circuits.chunks(4) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let values = self
                .evaluator
                .measure_metrics(circuits, &[self.plan.metric])?;
            found.extend(
                values[0]
                    .iter()
                    .map(|values| faithfulness(mean(values), self.full, self.empty)),
            );
            self.observer.event(Event::Step {
                done: found.len() as u64,
                note: String::new(),
            });
        }
        Ok(found)
    }

    fn baseline(
        &mut self,
        name: &str,
        edges: usize,
        circuit: fn(&ComputationGraph, usize, u64) -> EdgeMask,
    ) -> Result<Option<Baseline>> {
        let count = self.plan.random_baselines;
        if count == 0 || edges == 0 {
            return Ok(None);
        }
        phase(self.observer, name, count as u64);
        let circuits: Vec<EdgeMask> = (0..count as u64)
            .map(|seed| circuit(self.graph, edges, seed))
            .collect();
        let values: Vec<f64> = self
            .faithfulness(&circuits)?
            .into_iter()
            .flatten()
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

    fn curve(&mut self, order: &[usize]) -> Result<Vec<CurvePoint>> {
        phase(self.observer, "faithfulness by size", SHARES.len() as u64);
        let circuits: Vec<EdgeMask> = SHARES
            .iter()
            .map(|&share| {
                let count = (share * order.len() as f64) as usize;
                let mask = EdgeMask::from_edges(self.graph, order[..count].iter().copied());
                self.graph.drop_dangling(&mask, Dangling::NoPathEitherWay)
            })
            .collect();
        let values = self.faithfulness(&circuits)?;
        let points =
            SHARES
                .iter()
                .zip(&circuits)
                .zip(values)
                .map(|((&share, circuit), faithfulness)| CurvePoint {
                    share,
                    edges: circuit.len(),
                    faithfulness,
                });
        Ok(points.collect())
    }
}

/// Area under `height` of the faithfulness over the nominal shares, by trapezoids (MIB).
fn area(curve: &[CurvePoint], height: impl Fn(f64) -> f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = curve
        .iter()
        .map(|point| point.faithfulness.map(|value| (point.share, height(value))))
        .collect::<Option<_>>()?;
    Some(
        points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum(),
    )
}
