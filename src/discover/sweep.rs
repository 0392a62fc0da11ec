//! Greedy removal, one candidate after the other, measured in batches.
//!
//! Consecutive candidates go to the evaluator together: each circuit lacks the earlier candidates predicted to go
//! and its own. Results count while the predictions hold; at the first wrong one the sweep starts again after it.
//! The decisions are those of the sequential algorithm, whatever the predictions are.

use super::walk::Walk;
use crate::error::Result;
use crate::graph::{ComputationGraph, EdgeMask};

/// A candidate is measured together with earlier ones while its result counts with at least this chance: that all
/// guesses before it are right.
const WORTHWHILE: f64 = 0.7;

/// What removing a candidate means in a circuit.
pub(crate) enum Removal {
    /// The circuit without it, to be measured.
    Test(EdgeMask),
    /// The circuit without it is known to behave the same.
    Free(EdgeMask),
    /// It is not there.
    Absent,
}

/// What a sweep removes and when.
pub(crate) trait Rule {
    /// Number of candidates.
    fn len(&self) -> usize;
    /// The removal of a candidate from a circuit.
    fn removal(&self, graph: &ComputationGraph, circuit: &EdgeMask, candidate: usize) -> Removal;
    /// The chance that a candidate goes, as far as one can tell; wrong guesses cost time only.
    fn chance(&self, candidate: usize) -> f64;
    /// Decides by the metric per example before and after; true = it goes.
    fn decide(&mut self, candidate: usize, before: &[f64], after: &[f64]) -> bool;
    /// Notes a candidate that went without a test.
    fn went_untested(&mut self, candidate: usize);
}

/// One step of a window: a candidate and its removal from the circuit predicted so far.
struct Step {
    candidate: usize,
    /// Index among the measured circuits; `None` where no test is needed.
    measured: Option<usize>,
    circuit: EdgeMask,
    predicted: bool,
}

/// Tries every candidate in order, unless the search stops first. Returns the circuit left and its metric per example.
///
/// # Errors
/// When a number is not finite.
pub(crate) fn sweep(
    walk: &mut Walk<'_>,
    rule: &mut dyn Rule,
    start: &EdgeMask,
) -> Result<(EdgeMask, Vec<f64>)> {
    let graph = walk.graph();
    let mut circuit = start.clone();
    let mut before = walk.evaluator.rebase(&circuit)?;
    let mut next = 0;
    let mut stale = false;
    while next < rule.len() && walk.goes_on() {
        if stale {
            before = walk.evaluator.rebase(&circuit)?;
            stale = false;
        }
        let steps = plan(&graph, rule, &circuit, next, walk.room());
        let circuits: Vec<EdgeMask> = steps
            .iter()
            .filter(|step| step.measured.is_some())
            .map(|step| step.circuit.clone())
            .collect();
        let values = walk.measure_near(&circuits)?;
        for step in steps {
            next = step.candidate + 1;
            let Some(index) = step.measured else {
                rule.went_untested(step.candidate);
                circuit = step.circuit;
                continue;
            };
            let goes = rule.decide(step.candidate, &before, &values[index]);
            if goes {
                before.clone_from(&values[index]);
                circuit = step.circuit;
                stale = true;
            }
            if goes != step.predicted {
                break;
            }
        }
        if circuits.is_empty() {
            next = rule.len();
        }
        walk.step(next, format!("{} edges left", circuit.len()));
        walk.best(&circuit);
    }
    if stale && !walk.has_stopped() {
        before = walk.evaluator.rebase(&circuit)?;
    }
    Ok((circuit, before))
}

/// The next candidates, up to `window` measurements, while they are likely to count.
fn plan(
    graph: &ComputationGraph,
    rule: &dyn Rule,
    circuit: &EdgeMask,
    first: usize,
    window: usize,
) -> Vec<Step> {
    let mut expected = circuit.clone();
    let mut steps = Vec::new();
    let mut measured = 0;
    let mut counts = 1.0;
    for candidate in first..rule.len() {
        match rule.removal(graph, &expected, candidate) {
            Removal::Absent => continue,
            Removal::Free(without) => {
                expected.clone_from(&without);
                steps.push(Step {
                    candidate,
                    measured: None,
                    circuit: without,
                    predicted: true,
                });
            }
            Removal::Test(without) => {
                let chance = rule.chance(candidate);
                let predicted = chance >= 0.5;
                counts *= chance.max(1.0 - chance);
                if predicted {
                    expected.clone_from(&without);
                }
                steps.push(Step {
                    candidate,
                    measured: Some(measured),
                    circuit: without,
                    predicted,
                });
                measured += 1;
            }
        }
        if measured == window || counts < WORTHWHILE {
            break;
        }
    }
    steps
}
