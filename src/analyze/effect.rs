//! A mean over examples with its uncertainty.

use serde::Serialize;

use crate::engine::mean;
use crate::evaluate::{intervals, intervals_of_sets};

/// A mean over examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// The mean.
    pub mean: f64,
    /// Its 95 % bootstrap interval.
    pub interval: Option<[f64; 2]>,
}

impl Effect {
    /// The mean of some values, with an interval by this many resamples.
    pub(super) fn of(values: &[f64], bootstrap: usize) -> Self {
        let statistic = |picks: &[usize]| {
            let picked: Vec<f64> = picks.iter().map(|&index| values[index]).collect();
            vec![Some(mean(&picked))]
        };
        Self {
            mean: mean(values),
            interval: intervals(values.len(), bootstrap, 0, statistic)
                .pop()
                .flatten(),
        }
    }

    /// The mean of some values minus that of others, which are independent of them.
    pub(super) fn difference(values: &[f64], others: &[f64], bootstrap: usize) -> Self {
        let picked = |from: &[f64], picks: &[usize]| {
            mean(&picks.iter().map(|&index| from[index]).collect::<Vec<_>>())
        };
        let statistic = |picks: &[Vec<usize>]| {
            vec![Some(picked(values, &picks[0]) - picked(others, &picks[1]))]
        };
        let sets = [values.len(), others.len()];
        Self {
            mean: mean(values) - mean(others),
            interval: intervals_of_sets(&sets, bootstrap, 0, statistic)
                .pop()
                .flatten(),
        }
    }
}
