//! Means with their intervals as text.

use super::csv::number;
use super::text::short;
use crate::analyze::Effect;

/// A mean with its interval, for people.
pub(super) fn with_interval(effect: &Effect) -> String {
    match effect.interval {
        Some([low, high]) => format!("{} [{}, {}]", short(effect.mean), short(low), short(high)),
        None => short(effect.mean),
    }
}

/// A mean and the ends of its interval as three fields of a table.
pub(super) fn fields(effect: &Effect) -> String {
    let [low, high] = effect
        .interval
        .map_or_else(Default::default, |it| it.map(number));
    format!("{},{low},{high}", number(effect.mean))
}
