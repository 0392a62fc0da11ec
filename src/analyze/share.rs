//! A share of some cases with its uncertainty.

use serde::Serialize;

/// The standard normal distribution's 97.5th percentile.
const DEVIATIONS: f64 = 1.959_963_984_540_054;

/// How many of some cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Cases that hold.
    pub count: usize,
    /// All cases.
    pub of: usize,
    /// `count / of`; 0 of none.
    pub share: f64,
    /// Its 95 % interval. Reference: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    pub interval: [f64; 2],
}

impl Share {
    /// The share of the cases that hold.
    pub fn of(cases: impl IntoIterator<Item = bool>) -> Self {
        let (mut count, mut all) = (0, 0);
        for holds in cases {
            count += usize::from(holds);
            all += 1;
        }
        Self {
            count,
            of: all,
            share: count as f64 / all.max(1) as f64,
            interval: wilson(count as f64, all as f64),
        }
    }
}

fn wilson(count: f64, all: f64) -> [f64; 2] {
    if all <= 0.0 {
        return [0.0, 1.0];
    }
    let (share, z) = (count / all, DEVIATIONS);
    let middle = share + z * z / (2.0 * all);
    let half = z * (share * (1.0 - share) / all + z * z / (4.0 * all * all)).sqrt();
    let scale = 1.0 + z * z / all;
    // At the ends rounding would leave a trace.
    let low = if count > 0.0 { middle - half } else { 0.0 };
    let high = if count < all {
        (middle + half) / scale
    } else {
        1.0
    };
    [low / scale, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval's ends are the shares at which the observed one is 1.96 standard deviations away.
    #[test]
    fn ends_solve_the_equation_of_the_score_test() {
        for (count, all) in [(0, 1), (3, 10), (10, 10), (81, 263)] {
            let share = Share::of((0..all).map(|index| index < count));
            assert_eq!((share.count, share.of), (count, all));
            for end in share.interval {
                let deviation = (end * (1.0 - end) / all as f64).sqrt();
                let distance = (share.share - end).abs();
                assert!(
                    (distance - DEVIATIONS * deviation).abs() < 1e-12,
                    "{count} of {all}: {end}"
                );
            }
        }
        assert!((Share::of((0..10).map(|it| it < 3)).interval[0] - 0.107_791).abs() < 1e-6);
        let [low, high] = Share::of([]).interval;
        assert!(low <= 0.0 && high >= 1.0);
    }
}
