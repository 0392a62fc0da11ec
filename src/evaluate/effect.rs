//! A mean over examples with its uncertainty.

use serde::Serialize;

use super::{intervals, intervals_of_sets, paired_difference, share_interval};
use crate::engine::mean;
use crate::metric::Metric;

/// A mean over examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// The mean.
    pub mean: f64,
    /// Its 95 % interval, of shares by Wilson, else by a bootstrap; none of too few examples.
    pub interval: Option<[f64; 2]>,
}

impl Effect {
    /// The mean of some values, with an interval by this many resamples.
    pub(crate) fn of(values: &[f64], bootstrap: usize) -> Self {
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

    /// The share that values between 0 and 1 are of, mostly 0 or 1.
    pub(crate) fn share(values: &[f64]) -> Self {
        Self {
            mean: mean(values),
            interval: (!values.is_empty()).then(|| share_interval(values)),
        }
    }

    /// The mean of differences between two shares of the same examples.
    pub(crate) fn share_difference(differences: &[f64]) -> Self {
        let interval = paired_difference(differences);
        Self {
            mean: mean(differences),
            interval: (!differences.is_empty()).then_some(interval),
        }
    }

    /// The mean of a metric.
    pub(crate) fn of_metric(metric: Metric, values: &[f64], bootstrap: usize) -> Self {
        match metric {
            Metric::Accuracy => Self::share(values),
            _ => Self::of(values, bootstrap),
        }
    }

    /// The mean of what a metric changes by, example by example.
    pub(crate) fn of_change(metric: Metric, changes: &[f64], bootstrap: usize) -> Self {
        match metric {
            Metric::Accuracy => Self::share_difference(changes),
            _ => Self::of(changes, bootstrap),
        }
    }

    /// The mean of some values minus that of others, which are independent of them.
    pub(crate) fn difference(values: &[f64], others: &[f64], bootstrap: usize) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_cases_are_no_certainty_and_few_values_have_no_interval() {
        let all = Effect::of_metric(Metric::Accuracy, &[1.0; 18], 0);
        let [low, high] = all.interval.expect("Wilson's needs no resamples");
        assert!(low < 0.83 && high >= 1.0);
        let unchanged = Effect::of_change(Metric::Accuracy, &[0.0; 18], 100);
        let [low, high] = unchanged.interval.expect("an interval");
        assert!(low < -0.05 && high > 0.05);
        let values = [1.0, 2.0, 4.0, 3.0, 2.5, 0.5];
        assert!(
            Effect::of_metric(Metric::LogitDiff, &values, 100)
                .interval
                .is_some()
        );
        assert_eq!(Effect::of(&values[..5], 100).interval, None);
        assert_eq!(Effect::of(&values[..1], 100).interval, None);
        assert_eq!(
            Effect::difference(&values, &values[..5], 100).interval,
            None
        );
    }
}
