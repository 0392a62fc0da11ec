//! A time limit: an observer that interrupts once the time is over.

use super::clock::Stopwatch;
use crate::events::{Event, Observer};

/// Passes events on, and interrupts when so many minutes have passed.
pub(crate) struct Deadline<'a> {
    inner: &'a dyn Observer,
    clock: Stopwatch,
    minutes: Option<f64>,
}

impl<'a> Deadline<'a> {
    /// The time runs from now on.
    pub(crate) fn new(inner: &'a dyn Observer, minutes: Option<f64>) -> Self {
        Self {
            inner,
            clock: Stopwatch::start(),
            minutes,
        }
    }

    /// Whether the time is over, and nothing else interrupts.
    pub(crate) fn has_passed(&self) -> bool {
        self.is_over() && !self.inner.interrupted()
    }

    fn is_over(&self) -> bool {
        self.minutes
            .is_some_and(|minutes| self.clock.seconds() >= 60.0 * minutes)
    }
}

impl Observer for Deadline<'_> {
    fn event(&self, event: Event) {
        self.inner.event(event);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted() || self.is_over()
    }
}
