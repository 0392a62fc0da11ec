//! Prompts looked at for what is written to their streams.

use super::report::ResidualReport;
use super::seen::Seen;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct ResidualTask<'t> {
    /// Prompts with the positions looked at, one at least each.
    pub prompts: &'t [(Vec<u32>, Vec<usize>)],
    /// Directions with their names.
    pub directions: &'t [(String, Vec<f64>)],
    /// Resamples of intervals.
    pub bootstrap: usize,
    /// Random directions to compare with.
    pub random_baselines: usize,
}

/// Looks at the streams of prompts, and at what is written to them.
///
/// # Errors
/// When an activation is not finite, or the observer interrupts.
///
/// # Panics
/// When there is no prompt, or one is empty or longer than the model reads.
///
/// # Complexity
/// Two forward passes.
pub fn residual<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &ResidualTask<'_>,
    observer: &dyn Observer,
) -> Result<ResidualReport> {
    phase(observer, "prompts", task.prompts.len() as u64);
    let mut seen = Seen::new(transformer, task);
    for (number, (tokens, at)) in task.prompts.iter().enumerate() {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        // One at a time, so that every part is seen whole.
        seen.add(transformer, (tokens, at))?;
        observer.event(Event::Step {
            done: number as u64 + 1,
            note: String::new(),
        });
    }
    Ok(seen.report())
}
