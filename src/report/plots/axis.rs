//! Axes of plots and scales of heat maps: from numbers to places, with ticks at round numbers.

use crate::report::circuit::limits::LARGEST;
use crate::report::text::thousands;

/// Intervals between ticks that an axis should have, about.
const TICKS: f64 = 5.0;
/// Least width of an axis as a share of its largest number: ticks would have the same numbers.
const LEAST_WIDTH: f64 = 1e-12;
/// Decades of a logarithmic axis that also has labels at twice and five times a power of ten, at its ends only, and
/// short ticks without labels.
const EVERY_STEP: i32 = 2;
const ENDS: i32 = 4;
const SHORT_TICKS: i32 = 6;

/// One axis: from number to place.
pub(crate) struct Axis {
    pub ticks: Vec<f64>,
    /// Ticks without labels.
    pub short_ticks: Vec<f64>,
    /// From one tick to the next.
    pub step: f64,
    pub low: f64,
    pub high: f64,
    /// Places of `low` and `high`.
    pub from: f64,
    pub to: f64,
    /// Whether equal ratios are equally far apart.
    log: bool,
}

impl Axis {
    /// An axis that holds some numbers, with ticks at round ones.
    pub(crate) fn new(numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        Self::linear(numbers, false, from, to)
    }

    /// The same; where all numbers are whole, as those of layers are, so are the ticks.
    pub(crate) fn of_counts(numbers: &[f64], from: f64, to: f64) -> Self {
        let whole = numbers.iter().all(|number| number.fract() == 0.0);
        Self::linear(numbers.iter().copied(), whole, from, to)
    }

    fn linear(numbers: impl Iterator<Item = f64>, whole: bool, from: f64, to: f64) -> Self {
        let finite = numbers.filter(|number| number.is_finite());
        let bounded = finite.map(|number| number.clamp(-LARGEST, LARGEST));
        let (low, high) = bounded
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
                (low.min(number), high.max(number))
            });
        let size = low.abs().max(high.abs());
        let (low, high) = match high - low {
            width if width > (size * LEAST_WIDTH).max(1.0 / LARGEST) => (low, high),
            // As good as equal; half of one would be lost beside very large numbers.
            _ if low.is_finite() => {
                let room = if size < 1e9 { 0.5 } else { 0.1 * size };
                (low - room, high + room)
            }
            _ => (0.0, 1.0),
        };
        let step = round_step((high - low) / TICKS);
        let step = if whole { step.ceil() } else { step };
        let first = (low / step).floor();
        let count = (high / step).ceil() - first;
        // Each from its number, so that no error adds up.
        let ticks = (0..=count as usize).map(|tick| (first + tick as f64) * step);
        let ticks: Vec<f64> = ticks.collect();
        Self {
            low: first * step,
            high: (first + count) * step,
            ticks,
            short_ticks: Vec::new(),
            step,
            from,
            to,
            log: false,
        }
    }

    /// A logarithmic axis that holds the positive ones of some numbers. It begins and ends at 1, 2 or 5 times a power of
    /// ten, or at a power of ten when it is long.
    pub(crate) fn logarithmic(numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let positive = numbers.filter(|number| number.is_finite() && *number > 0.0);
        let bounded = positive.map(|number| number.clamp(1.0 / LARGEST, LARGEST));
        let (low, high) = bounded.fold((f64::INFINITY, 0.0), |(low, high), number| {
            (f64::min(low, number), f64::max(high, number))
        });
        let (low, high) = if low <= high {
            (low, high)
        } else {
            (1.0, 10.0)
        };
        let first = (low.log10() + 1e-9).floor() as i32;
        let last = ((high.log10() - 1e-9).ceil() as i32).max(first + 1);
        let decades = last - first;
        let steps = |factors: &'static [f64]| -> Vec<f64> {
            let powers = (first..last).map(|power| 10.0_f64.powi(power));
            let steps = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
            steps.chain([10.0_f64.powi(last)]).collect()
        };
        let ends = steps(if decades > ENDS {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        });
        let before = |&tick: &f64| tick <= low * (1.0 + 1e-9);
        let after = |&tick: &f64| tick >= high * (1.0 - 1e-9);
        let start = ends.iter().rposition(before).unwrap_or(0);
        let end = ends.iter().position(after).unwrap_or(ends.len() - 1);
        let end = end.max(start + 1).min(ends.len() - 1);
        let (low, high) = (ends[start], ends[end]);
        let inside = |&tick: &f64| tick >= low * (1.0 - 1e-9) && tick <= high * (1.0 + 1e-9);
        let ticks = if decades > EVERY_STEP {
            let mut ticks: Vec<f64> = steps(&[1.0]).into_iter().filter(inside).collect();
            ticks.extend([low, high]);
            ticks.sort_by(f64::total_cmp);
            ticks.dedup_by(|a, b| *a <= *b * (1.0 + 1e-9));
            ticks
        } else {
            ends[start..=end].to_vec()
        };
        // No more labels than have room.
        let every = ticks.len().div_ceil(9);
        let short_ticks = if decades > SHORT_TICKS {
            Vec::new()
        } else {
            let all = steps(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
            all.into_iter().filter(inside).collect()
        };
        Self {
            ticks: ticks.into_iter().step_by(every).collect(),
            short_ticks,
            step: 0.0,
            low,
            high,
            from,
            to,
            log: true,
        }
    }

    /// Where a number is.
    pub(crate) fn place(&self, number: f64) -> f64 {
        // As the numbers that the axis was made for; its ticks may be a step further out.
        let number = if (self.low..=self.high).contains(&number) {
            number
        } else {
            number.clamp(-LARGEST, LARGEST)
        };
        let share = if self.log {
            // What is not positive is at the end.
            let clamped = number.max(self.low);
            (clamped / self.low).ln() / (self.high / self.low).ln()
        } else {
            (number - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// The text of a tick.
    pub(crate) fn label(&self, tick: f64) -> String {
        if !self.log {
            return label(tick, self.step);
        }
        if (1.0..1e7).contains(&tick) {
            return thousands(tick.round() as usize);
        }
        let power = (tick.log10() + 1e-9).floor() as i32;
        if (-3..0).contains(&power) {
            return format!("{tick:.*}", power.unsigned_abs() as usize);
        }
        format!("{tick:.0e}").replace('-', "\u{2212}")
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    let fits = |factor: &&f64| **factor * power >= least * (1.0 - 1e-9);
    power
        * [1.0, 2.0, 2.5, 5.0, 10.0]
            .iter()
            .find(fits)
            .unwrap_or(&10.0)
}

/// A tick's number with the decimals that the step between ticks has.
fn label(tick: f64, step: f64) -> String {
    if step < 1e-6 || tick.abs() >= 1e7 {
        return format!("{tick:.1e}").replace('-', "\u{2212}");
    }
    let decimals = (0..8).find(|&decimals| {
        let scaled = step * 10.0_f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let text = format!("{tick:.*}", decimals.unwrap_or(8) as usize);
    let zero = text
        .chars()
        .all(|character| matches!(character, '-' | '0' | '.'));
    let text = if zero {
        text.trim_start_matches('-')
    } else {
        &text
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_numbers() {
        let axis = |numbers: &[f64]| Axis::new(numbers.iter().copied(), 0.0, 1.0);
        let labels = |numbers: &[f64]| {
            let axis = axis(numbers);
            let ticks = axis.ticks.iter().map(|&tick| label(tick, axis.step));
            ticks.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(&[0.0, 3.0]), "0 1 2 3");
        assert_eq!(labels(&[-0.11, 0.52]), "\u{2212}0.2 0.0 0.2 0.4 0.6");
        assert_eq!(labels(&[2.0]), "1.4 1.6 1.8 2.0 2.2 2.4 2.6");
        assert_eq!(axis(&[f64::NAN]).ticks.len(), 6);
        for (low, high) in [(0.0, 1e-7), (-1e9, 1.0), (0.3, 0.300_001)] {
            let axis = axis(&[low, high]);
            assert!(axis.low <= low && axis.high >= high && axis.ticks.len() < 9);
        }
    }

    #[test]
    fn layers_have_whole_ticks_and_shares_have_not() {
        let labels = |numbers: &[f64]| {
            let axis = Axis::of_counts(numbers, 0.0, 1.0);
            let ticks = axis.ticks.iter().map(|&tick| axis.label(tick));
            ticks.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(&[0.0, 1.0, 2.0]), "0 1 2");
        assert_eq!(labels(&[1.0, 13.0]), "0 3 6 9 12 15");
        assert_eq!(labels(&[4.0]), "3 4 5");
        assert_eq!(labels(&[0.0, 0.5, 2.0]), "0.0 0.5 1.0 1.5 2.0");
    }

    #[test]
    fn logarithmic_axes_end_near_their_numbers() {
        let labels = |numbers: [f64; 2]| {
            let axis = Axis::logarithmic(numbers.into_iter(), 0.0, 1.0);
            assert!(axis.low <= numbers[0] && axis.high >= numbers[1]);
            let ticks = axis.ticks.iter().map(|&tick| axis.label(tick));
            (ticks.collect::<Vec<_>>().join(" "), axis.short_ticks.len())
        };
        assert_eq!(labels([2.0, 190.0]), ("2 10 100 200".into(), 19));
        assert_eq!(labels([3.0, 40.0]), ("2 5 10 20 50".into(), 13));
        assert_eq!(labels([7.0, 7.0]), ("5 10".into(), 6));
        assert_eq!(
            labels([1e-9, 20.0]),
            ("1e\u{2212}9 1e\u{2212}7 1e\u{2212}5 0.001 0.1 10".into(), 0)
        );
    }

    #[test]
    fn axes_hold_any_numbers() {
        let largest = f64::MAX;
        for numbers in [
            [largest, -largest],
            [largest, largest],
            [5e-324, 0.0],
            [1e17, 1e17],
            [1.0, 1.0 + f64::EPSILON],
            [-0.0, 0.0],
            [f64::NAN, f64::INFINITY],
            [1e-300, 1e300],
        ] {
            for axis in [
                Axis::new(numbers.into_iter(), 0.0, 100.0),
                Axis::of_counts(&numbers, 0.0, 100.0),
                Axis::logarithmic(numbers.into_iter(), 0.0, 100.0),
            ] {
                assert!((1..=20).contains(&axis.ticks.len()), "{numbers:?}");
                for number in numbers.into_iter().filter(|it| it.is_finite()) {
                    let place = axis.place(number);
                    assert!((-0.1..=100.1).contains(&place), "{numbers:?}: {place}");
                }
                let ticks: Vec<f64> = axis.ticks.iter().map(|tick| axis.place(*tick)).collect();
                assert!(ticks.is_sorted_by(|one, next| one < next), "{ticks:?}");
            }
        }
    }

    #[test]
    fn labels_have_no_rounding_errors_and_no_negative_zero() {
        assert_eq!(label(0.600_000_000_000_000_1, 0.2), "0.6");
        assert_eq!(label(-0.0, 1.0), "0");
        assert_eq!(label(-2.5, 0.5), "\u{2212}2.5");
        assert_eq!(label(2e-9, 1e-9), "2.0e\u{2212}9");
    }
}
