//! A search on its way: the evaluator that it asks, the limit that it keeps, and the record of what it did.

use super::record::{Iteration, SearchRecord, StopReason};
use crate::engine::{Evaluator, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{ComputationGraph, EdgeMask};

/// Who watches a search, and how far it may go.
#[derive(Clone, Copy)]
pub struct Watcher<'a> {
    /// Is told of the progress, and may interrupt.
    pub observer: &'a dyn Observer,
    /// Number of circuits that may be measured, where it is limited.
    pub circuits: Option<u64>,
    /// Is given the best circuit so far, again and again.
    pub best: &'a dyn Fn(&EdgeMask),
}

impl<'a> Watcher<'a> {
    /// An observer of a search without a limit.
    pub fn unlimited(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            circuits: None,
            best: &|_| (),
        }
    }
}

/// A search on its way.
pub(crate) struct Walk<'a> {
    pub(super) evaluator: &'a mut dyn Evaluator,
    watcher: Watcher<'a>,
    /// Circuits that are kept back for a last check.
    reserved: u64,
    /// The iteration that is under way, and the circuits measured before it.
    iteration: Option<(String, u64)>,
    record: SearchRecord,
}

impl<'a> Walk<'a> {
    pub(super) fn new(evaluator: &'a mut dyn Evaluator, watcher: Watcher<'a>) -> Self {
        Self {
            evaluator,
            watcher,
            reserved: 0,
            iteration: None,
            record: SearchRecord::default(),
        }
    }

    pub(super) fn observer(&self) -> &'a dyn Observer {
        self.watcher.observer
    }

    pub(super) fn graph(&self) -> ComputationGraph {
        self.evaluator.graph().clone()
    }

    /// Circuits that may still be measured.
    fn left(&self) -> Option<u64> {
        let used = self.record.circuits + self.reserved;
        Some(self.watcher.circuits?.saturating_sub(used))
    }

    /// Whether to go on. Once it is not, it never is again.
    pub(super) fn goes_on(&mut self) -> bool {
        self.goes_on_for(1)
    }

    /// Whether to go on with what measures so many circuits at least.
    pub(super) fn goes_on_for(&mut self, circuits: u64) -> bool {
        if self.record.stop.is_finished() {
            if self.watcher.observer.interrupted() {
                self.record.stop = StopReason::Interrupted;
            } else if self.left().is_some_and(|left| left < circuits) {
                self.record.stop = StopReason::CircuitLimit;
            }
        }
        !self.has_stopped()
    }

    /// Whether it stopped before it was done.
    pub(super) fn has_stopped(&self) -> bool {
        !self.record.stop.is_finished()
    }

    /// Whether whoever watches wants it to end at once.
    pub(super) fn was_interrupted(&self) -> bool {
        self.record.stop == StopReason::Interrupted
    }

    /// Circuits that may be measured at once.
    pub(super) fn room(&self) -> usize {
        let left = self.left().unwrap_or(u64::MAX);
        let batch = self.evaluator.batch();
        usize::try_from(left).map_or(batch, |left| left.min(batch))
    }

    /// Keeps one measurement back for a last check, or gives it free.
    pub(super) fn reserve(&mut self, one: bool) {
        self.reserved = u64::from(one);
    }

    /// As [`Evaluator::measure`].
    pub(super) fn measure(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        self.record.circuits += circuits.len() as u64;
        self.evaluator.measure(circuits)
    }

    /// As [`Evaluator::measure_near`].
    pub(super) fn measure_near(&mut self, circuits: &[EdgeMask]) -> Result<Vec<Vec<f64>>> {
        self.record.circuits += circuits.len() as u64;
        self.evaluator.measure_near(circuits, true)
    }

    /// Notes the best circuit so far.
    pub(super) fn best(&self, circuit: &EdgeMask) {
        (self.watcher.best)(circuit);
    }

    /// Begins an iteration of so many steps.
    pub(super) fn begin(&mut self, name: impl Into<String>, steps: usize) {
        let name = name.into();
        phase(self.watcher.observer, name.clone(), steps as u64);
        self.iteration = Some((name, self.record.circuits));
    }

    /// Tells of a step.
    pub(super) fn step(&self, done: usize, note: String) {
        self.watcher.observer.event(Event::Step {
            done: done as u64,
            note,
        });
    }

    /// Ends the iteration with this circuit, and its metric per example where it is known.
    pub(super) fn end(&mut self, circuit: &EdgeMask, values: Option<&[f64]>) {
        if let Some((name, before)) = self.iteration.take() {
            self.record.iterations.push(Iteration {
                name,
                circuits: self.record.circuits - before,
                edges: circuit.len(),
                metric: values.map(mean),
            });
        }
    }

    /// Refuses work that needs more circuits than may be measured, before it begins.
    pub(super) fn allow(&self, circuits: usize) -> Result<()> {
        match self.left() {
            Some(left) if left < circuits as u64 => Err(Error::Usage(format!(
                "limit.circuits leaves {left} circuits, and exact patching measures {circuits}, one for each edge, before there is a \
                 circuit\nhint: raise the limit, or use method: EapIg(steps: 5)"
            ))),
            _ => Ok(()),
        }
    }

    /// Counts circuits that were measured without this walk.
    pub(super) fn count(&mut self, circuits: usize) {
        self.record.circuits += circuits as u64;
    }

    pub(super) fn into_record(self) -> SearchRecord {
        self.record
    }
}
