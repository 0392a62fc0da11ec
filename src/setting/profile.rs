//! Where the time of a job went.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::clock::Stopwatch;

/// Seconds by part of the work, for the record of a job.
#[derive(Debug)]
pub(crate) struct Profile(Mutex<Parts>);

#[derive(Debug)]
struct Parts {
    /// Since the last part was done.
    clock: Stopwatch,
    seconds: BTreeMap<String, f64>,
}

impl Profile {
    /// The first part begins.
    pub(crate) fn start() -> Self {
        Self(Mutex::new(Parts {
            clock: Stopwatch::start(),
            seconds: BTreeMap::new(),
        }))
    }

    /// A part is done, and the next begins; parts of one name are added up.
    pub(crate) fn done(&self, part: &str) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *parts.seconds.entry(part.to_owned()).or_insert(0.0) += parts.clock.seconds();
        parts.clock = Stopwatch::start();
    }

    /// The seconds of all parts.
    pub(crate) fn seconds(self) -> BTreeMap<String, f64> {
        let parts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        let whole = Stopwatch::start();
        let profile = Profile::start();
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            profile.done("one");
            profile.done("two");
        }
        let seconds = profile.seconds();
        assert_eq!(seconds.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert!(seconds["one"] >= 0.006 && seconds["two"] < seconds["one"]);
        assert!(seconds.values().sum::<f64>() <= whole.seconds());
    }
}
