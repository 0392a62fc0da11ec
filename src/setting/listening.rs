//! What a job was heard to say: warnings, and phases with the time they took.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::profile::Profile;
use crate::events::{Event, Observer};

/// The name of what comes before the first phase.
const BEFORE: &str = "before";

/// Passes events on, keeps the warnings, and notes where the time goes.
pub(crate) struct Listening<'a> {
    inner: &'a dyn Observer,
    warnings: Mutex<Vec<String>>,
    profile: Profile,
    phase: Mutex<String>,
}

impl<'a> Listening<'a> {
    pub(crate) fn new(inner: &'a dyn Observer) -> Self {
        Self {
            inner,
            warnings: Mutex::default(),
            profile: Profile::start(),
            phase: Mutex::new(BEFORE.to_owned()),
        }
    }

    /// Adds the warnings heard to others, each once.
    pub(crate) fn add_to(&self, warnings: &mut Vec<String>) {
        let heard = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in heard.iter() {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
    }

    /// Seconds by phase, the last one up to now; phases of one name are added up.
    pub(crate) fn seconds(self) -> BTreeMap<String, f64> {
        let phase = self
            .phase
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        self.profile.done(&phase);
        self.profile.seconds()
    }
}

impl Observer for Listening<'_> {
    fn event(&self, event: Event) {
        match &event {
            Event::Warning(warning) => {
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                if !warnings.contains(warning) {
                    warnings.push(warning.clone());
                }
            }
            Event::Phase { name, .. } => {
                let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
                self.profile.done(&phase);
                phase.clone_from(name);
            }
            Event::Step { .. } | Event::Notice(_) => {}
        }
        self.inner.event(event);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Silent, phase};

    #[test]
    fn phases_of_one_name_add_up() {
        let listening = Listening::new(&Silent);
        for name in ["clean runs", "elimination", "clean runs"] {
            phase(&listening, name, 0);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let seconds = listening.seconds();
        let names: Vec<&String> = seconds.keys().collect();
        assert_eq!(names, ["before", "clean runs", "elimination"]);
        assert!(seconds["clean runs"] >= 0.004 && seconds["elimination"] >= 0.002);
    }
}
