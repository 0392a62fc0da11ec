//! When a search's steps were done.

use std::sync::{Mutex, PoisonError};

use crate::events::{Event, Observer};
use crate::setting::Stopwatch;

/// Passes events on and notes the time of every step of the latest phase.
pub(crate) struct StepClock<'o> {
    inner: &'o dyn Observer,
    phase: Mutex<Phase>,
}

struct Phase {
    stopwatch: Stopwatch,
    steps: Vec<DoneAt>,
}

/// Steps done, and the seconds since the phase began.
#[derive(Clone, Copy)]
pub(crate) struct DoneAt {
    pub(crate) done: usize,
    pub(crate) seconds: f64,
}

impl<'o> StepClock<'o> {
    pub(crate) fn new(inner: &'o dyn Observer) -> Self {
        Self {
            inner,
            phase: Mutex::new(Phase::begin()),
        }
    }

    /// The steps of the latest phase.
    pub(crate) fn steps(self) -> Vec<DoneAt> {
        let phase = self.phase.into_inner();
        phase.unwrap_or_else(PoisonError::into_inner).steps
    }
}

impl Phase {
    fn begin() -> Self {
        Self {
            stopwatch: Stopwatch::start(),
            steps: Vec::new(),
        }
    }
}

impl Observer for StepClock<'_> {
    fn event(&self, event: Event) {
        {
            let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Phase { .. } => *phase = Phase::begin(),
                Event::Step { done, .. } => {
                    let seconds = phase.stopwatch.seconds();
                    let done = done as usize;
                    phase.steps.push(DoneAt { done, seconds });
                }
                Event::Warning(_) | Event::Notice(_) => {}
            }
        }
        self.inner.event(event);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}
