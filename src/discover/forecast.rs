//! What a search expects of a test, learnt from the tests before it.

use std::collections::BTreeMap;

/// What a later test counts against an earlier one of the same kind.
const FADING: f64 = 0.9;
/// What neighbouring kinds count.
const NEIGHBOUR: f64 = 0.3;
/// What is believed of a kind never seen, in tests.
const PRIOR: f64 = 1.0;

/// How often candidates of a kind went, later tests counting more. A kind is a number; neighbours are alike.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forecast {
    /// Per kind: faded numbers of tests, and of those after which the candidate went.
    seen: BTreeMap<i32, (f64, f64)>,
}

impl Forecast {
    /// The kind of a score against a threshold: logarithmic in how many thresholds it is.
    pub(crate) fn kind(score: f64, threshold: f64) -> i32 {
        let thresholds = score / threshold.abs().max(f64::MIN_POSITIVE);
        let steps = 2.0 * thresholds.abs().ln_1p() / std::f64::consts::LN_2;
        steps.copysign(thresholds).round().clamp(-6.0, 6.0) as i32
    }

    /// The chance that a candidate of a kind goes; `prior` is the belief where nothing was seen.
    pub(crate) fn chance(&self, kind: i32, prior: f64) -> f64 {
        let mut tests = PRIOR;
        let mut went = PRIOR * prior;
        for (kind, weight) in [(kind - 1, NEIGHBOUR), (kind, 1.0), (kind + 1, NEIGHBOUR)] {
            if let Some((count, gone)) = self.seen.get(&kind) {
                tests += weight * count;
                went += weight * gone;
            }
        }
        went / tests
    }

    /// Notes the outcome of a test.
    pub(crate) fn see(&mut self, kind: i32, went: bool) {
        let (tests, gone) = self.seen.entry(kind).or_default();
        *tests = FADING * *tests + 1.0;
        *gone = FADING * *gone + f64::from(u8::from(went));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_below_the_threshold_are_of_other_kinds_than_those_above() {
        let kind = |score| Forecast::kind(score, 0.01);
        assert!(kind(-1.0) < kind(0.0));
        assert!(kind(0.0) < kind(0.02));
        assert_eq!(kind(1e9), kind(1e12));
        assert_eq!(Forecast::kind(-1.0, 0.0), -6);
        assert_eq!(Forecast::kind(f64::NAN, 0.1), 0);
    }

    #[test]
    fn what_was_seen_outweighs_what_was_believed() {
        let mut forecast = Forecast::default();
        assert!((forecast.chance(2, 0.1) - 0.1).abs() < 1e-12);
        for _ in 0..10 {
            forecast.see(2, true);
        }
        assert!(forecast.chance(2, 0.1) > 0.8);
        assert!(forecast.chance(3, 0.1) > 0.5, "neighbours are alike");
        assert!((forecast.chance(6, 0.1) - 0.1).abs() < 1e-12);
        for _ in 0..10 {
            forecast.see(2, false);
        }
        assert!(forecast.chance(2, 0.1) < 0.4, "later tests count more");
    }
}
