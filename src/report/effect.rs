//! Means and shares with their intervals as text.

use super::csv::number;
use super::text::short;
use crate::evaluate::Effect;

/// A mean with its interval, for people.
pub(crate) fn with_interval(effect: &Effect) -> String {
    match effect.interval {
        Some([low, high]) => format!("{} [{}, {}]", short(effect.mean), short(low), short(high)),
        None => short(effect.mean),
    }
}

/// A mean share with its interval, for people.
pub(crate) fn share_with_interval(effect: &Effect) -> String {
    match effect.interval {
        Some(interval) => shares(effect.mean, interval),
        None => percent(effect.mean),
    }
}

/// A share with its interval.
pub(crate) fn shares(share: f64, [low, high]: [f64; 2]) -> String {
    format!("{} [{}, {}]", percent(share), percent(low), percent(high))
}

/// A share, for people.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// A mean and the ends of its interval as three fields of a table.
pub(crate) fn fields(effect: &Effect) -> String {
    let [low, high] = effect
        .interval
        .map_or_else(Default::default, |it| it.map(number));
    format!("{},{low},{high}", number(effect.mean))
}
