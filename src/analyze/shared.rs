//! The keys that specs of all analyses share, and which of them each analysis reads.

use super::Analysis;
use crate::engine;
use crate::metric;
use crate::model;
use crate::task::TaskSource;

/// A key of an analysis spec beside its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// `metric`
    Metric,
    /// `held_out`
    HeldOut,
    /// `bootstrap`
    Bootstrap,
    /// `random_baselines`
    RandomBaselines,
    /// `precision`
    Precision,
    /// `prepend_bos`
    PrependBos,
}

impl Shared {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Metric,
        Self::HeldOut,
        Self::Bootstrap,
        Self::RandomBaselines,
        Self::Precision,
        Self::PrependBos,
    ];

    /// Its name in specs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::HeldOut => "held_out",
            Self::Bootstrap => "bootstrap",
            Self::RandomBaselines => "random_baselines",
            Self::Precision => "precision",
            Self::PrependBos => "prepend_bos",
        }
    }
}

/// The values of these keys, and the task.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedKeys {
    /// The task, where the spec has one.
    pub task: Option<TaskSource>,
    /// The measure of the behaviour.
    pub metric: metric::Metric,
    /// Share of the examples that are held out.
    pub held_out: f64,
    /// Resamples of the bootstrap intervals; 0 gives none.
    pub bootstrap: usize,
    /// Number of random baselines.
    pub random_baselines: usize,
    /// Precision of the engine.
    pub precision: engine::Precision,
    /// Whether text gets a beginning-of-sequence token.
    pub prepend_bos: model::PrependBos,
}

/// Why an analysis does not read a shared key, with or without a task; none where it does.
pub(super) fn ignores<A: Analysis>(analysis: &A, key: Shared, with_task: bool) -> Option<String> {
    let (name, key_name) = (A::NAME, key.key());
    if !A::USES.contains(&key) {
        return Some(format!("{name} does not use `{key_name}`; remove it"));
    }
    let condition = analysis.unmet_condition(key, with_task)?;
    Some(format!(
        "{name} uses `{key_name}` {condition} only; remove it"
    ))
}
