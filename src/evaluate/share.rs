//! A share of some cases with its uncertainty.

use serde::Serialize;

use super::wilson;

/// How many of some cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Cases that hold.
    pub count: usize,
    /// All cases.
    pub of: usize,
    /// `count / of`; 0 of none.
    pub share: f64,
    /// Its 95 % interval, by Wilson.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_all_is_not_certain() {
        let share = Share::of([true; 18]);
        assert_eq!((share.count, share.of), (18, 18));
        assert!((share.interval[0] - 0.824_1).abs() < 1e-4 && share.interval[1] >= 1.0);
        assert!(Share::of([]).share.abs() < 1e-12);
    }
}
