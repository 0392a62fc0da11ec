//! Cells of tables.

use secateur::report::decimals;

/// A figure with three decimals; `-` where it is undefined.
pub(crate) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), decimals)
}

/// Faithfulness with its interval, such as `0.912 [0.870, 0.951]`.
pub(crate) fn with_interval(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some([low, high]) => format!("{} [{}, {}]", figure(value), decimals(low), decimals(high)),
        None => figure(value),
    }
}

/// Two figures with an arrow between, such as `0.98 -> 0.95`.
pub(crate) fn change(before: Option<f64>, after: Option<f64>) -> String {
    format!("{} -> {}", figure(before), figure(after))
}

/// Wall time for people.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_two_units() {
        assert_eq!(duration(3.25), "3.2 s");
        assert_eq!(duration(61.0), "1 min 01 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
    }
}
