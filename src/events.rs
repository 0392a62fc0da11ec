//! Progress: the library reports events to an [`Observer`] and never prints.

use std::sync::atomic::{AtomicBool, Ordering};

/// Something worth showing while a job runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A phase of a job begins; `total` steps are expected (0 = unknown).
    Phase {
        /// What is being done, such as `attribution` or `elimination, pass 2`.
        name: String,
        /// Number of steps expected.
        total: u64,
    },
    /// Steps done in the current phase, and what the latest showed.
    Step {
        /// Steps done since the phase began.
        done: u64,
        /// A short state, such as `312 edges kept`.
        note: String,
    },
    /// A remark that belongs to the result, such as a doubtful metric.
    Warning(String),
    /// Something that people should know now and that is no part of the result, such as why a finished job runs again.
    Notice(String),
}

/// Receives progress and may ask the work to stop.
pub trait Observer: Sync {
    /// Takes one event.
    fn event(&self, event: Event);

    /// True when the work should stop at the next safe point.
    fn interrupted(&self) -> bool {
        false
    }
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

/// Tells `observer` of a phase.
pub fn phase(observer: &dyn Observer, name: impl Into<String>, total: u64) {
    observer.event(Event::Phase {
        name: name.into(),
        total,
    });
}

/// A flag that asks running work to stop, shared between a signal handler and observers.
#[derive(Debug, Default)]
pub struct StopFlag(AtomicBool);

impl StopFlag {
    /// A flag that is not set.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Asks the work to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets work go on again.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// True once [`StopFlag::set`] was called.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
