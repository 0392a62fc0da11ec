//! Faithfulness and its bootstrap interval.

use super::bootstrap::intervals;
use crate::engine::mean;

/// Smallest difference of full and empty for which faithfulness is defined.
const LEAST_RANGE: f64 = 1e-6;

/// (m(circuit) - m(empty)) / (m(full) - m(empty)) of means; `None` where full and empty do not differ.
pub fn faithfulness(circuit: f64, full: f64, empty: f64) -> Option<f64> {
    let range = full - empty;
    (range.abs() >= LEAST_RANGE).then(|| (circuit - empty) / range)
}

/// The faithfulness on a part of the examples, or a resample of them: `None` also where full minus empty has another sign there
/// than on all of them, `whole`.
pub(super) fn faithfulness_on_part(circuit: f64, full: f64, empty: f64, whole: f64) -> Option<f64> {
    faithfulness(circuit, full, empty).filter(|_| (full - empty > 0.0) == (whole > 0.0))
}

/// 95 % percentile interval of faithfulness over resampled examples.
///
/// The slices hold the metric per example of the circuit, the full model and the empty circuit.
pub fn bootstrap(
    circuit: &[f64],
    full: &[f64],
    empty: &[f64],
    resamples: usize,
    seed: u64,
) -> Option<[f64; 2]> {
    let whole = mean(full) - mean(empty);
    let statistic = |picks: &[usize]| {
        let pick = |from: &[f64]| mean(&picks.iter().map(|&index| from[index]).collect::<Vec<_>>());
        let (circuit, full, empty) = (pick(circuit), pick(full), pick(empty));
        vec![faithfulness_on_part(circuit, full, empty, whole)]
    };
    intervals(circuit.len(), resamples, seed, statistic)
        .pop()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faithfulness_is_one_for_full_and_zero_for_empty() {
        assert_eq!(faithfulness(3.0, 3.0, -1.0), Some(1.0));
        assert_eq!(faithfulness(-1.0, 3.0, -1.0), Some(0.0));
        assert_eq!(faithfulness(1.0, 2.0, 2.0), None);
    }

    /// Where resamples turn full and empty around, the ratio says nothing.
    #[test]
    fn there_is_no_interval_where_resamples_change_the_sign_of_the_gap() {
        let (full, empty) = ([3.0, -2.0, 3.0, -2.5].repeat(2), [0.0; 8]);
        assert!(faithfulness(0.2, mean(&full), mean(&empty)).is_some());
        assert_eq!(bootstrap(&[0.5; 8], &full, &empty, 200, 0), None);
        assert_eq!(faithfulness_on_part(0.5, -1.0, 0.0, 2.0), None);
        assert_eq!(faithfulness_on_part(-0.5, -1.0, 0.0, -2.0), Some(0.5));
    }

    #[test]
    fn the_interval_holds_the_value_and_shrinks_to_it_without_spread() {
        let (full, empty) = (vec![4.0; 8], vec![0.0; 8]);
        assert_eq!(bootstrap(&[2.0; 8], &full, &empty, 50, 1), Some([0.5, 0.5]));
        let circuit = [1.0, 3.0, 2.0, 2.5, 1.5, 2.0, 3.5, 0.5];
        let [low, high] = bootstrap(&circuit, &full, &empty, 200, 1).expect("an interval");
        assert!(
            low < 0.5 && 0.5 < high && low > 0.1 && high < 0.9,
            "{low} {high}"
        );
    }
}
