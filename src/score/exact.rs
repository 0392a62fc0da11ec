//! Exact patching of every edge: the metric's drop when only that edge is ablated.

use serde::{Deserialize, Serialize};

use crate::engine::{Evaluator, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{EdgeMask, EdgeScores};

/// Parameters of exact edge patching: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exact {}

impl Exact {
    /// Scores every edge: `m(all) - m(all but this edge)`.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One incremental forward pass an edge, from the edge's reader on.
    pub fn score(
        self,
        evaluator: &mut dyn Evaluator,
        observer: &dyn Observer,
    ) -> Result<EdgeScores> {
        let full = EdgeMask::full(evaluator.graph());
        let base = mean(&evaluator.rebase(&full)?);
        let total = evaluator.graph().edge_count();
        phase(observer, "exact patching", total as u64);
        let mut scores = Vec::with_capacity(total);
        while scores.len() < total {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let circuits: Vec<EdgeMask> = (scores.len()
                ..total.min(scores.len() + evaluator.batch()))
                .map(|edge| {
                    let (writer, reader) = evaluator.graph().ends(edge);
                    let mut circuit = full.clone();
                    circuit.remove(writer, reader);
                    circuit
                })
                .collect();
            let values = evaluator.measure_near(&circuits, false)?;
            scores.extend(values.iter().map(|values| base - mean(values)));
            let note = format!("{} of {total} edges", scores.len());
            observer.event(Event::Step {
                done: scores.len() as u64,
                note,
            });
        }
        Ok(scores)
    }
}
