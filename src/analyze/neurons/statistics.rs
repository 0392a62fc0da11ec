//! How well a neuron's activation tells the prompts that show a behaviour from those that do not.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The association of a neuron's activation with a behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Association {
    /// Share of the clean prompts on which it is above zero.
    pub rate_clean: f64,
    /// The same of the corrupt prompts.
    pub rate_corrupt: f64,
    /// Mean on the clean prompts minus mean on the corrupt ones.
    pub difference: f64,
    /// Area under the ROC curve: the probability that it is larger on a clean prompt than on a corrupt one, ties half.
    pub auroc: f64,
    /// Point-biserial correlation; 0 where the activation is always the same.
    pub correlation: f64,
    /// Two-sided p-value of the correlation, by Student's t with n - 2 degrees of freedom.
    pub p: f64,
    /// `p` corrected for the number of neurons by Holm's method.
    pub p_corrected: f64,
}

/// Corrected p-value below which a neuron's activation goes with the behaviour.
const SIGNIFICANT: f64 = 0.05;

impl Association {
    /// Whether the correlation can be told from none.
    pub fn is_significant(&self) -> bool {
        self.p_corrected < SIGNIFICANT
    }

    /// Compares activations on clean prompts with those on corrupt ones; `p_corrected` is `p`.
    ///
    /// # Panics
    /// When one of them is empty.
    pub(super) fn of(clean: &[f64], corrupt: &[f64]) -> Self {
        assert!(
            !clean.is_empty() && !corrupt.is_empty(),
            "prompts of both kinds"
        );
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let rate = |values: &[f64]| {
            values.iter().filter(|&&value| value > 0.0).count() as f64 / values.len() as f64
        };
        let difference = mean(clean) - mean(corrupt);
        let correlation = point_biserial(clean, corrupt);
        let p = p_value(correlation, clean.len() + corrupt.len());
        Self {
            rate_clean: rate(clean),
            rate_corrupt: rate(corrupt),
            difference,
            auroc: auroc(clean, corrupt),
            correlation,
            p,
            p_corrected: p,
        }
    }
}

/// Pearson's correlation of the values with 1 for clean and 0 for corrupt.
fn point_biserial(clean: &[f64], corrupt: &[f64]) -> f64 {
    let count = (clean.len() + corrupt.len()) as f64;
    let all = || clean.iter().chain(corrupt);
    let mean = all().sum::<f64>() / count;
    let squares: f64 = all().map(|value| (value - mean).powi(2)).sum();
    let share = clean.len() as f64 / count;
    let above: f64 = clean.iter().map(|value| value - mean).sum();
    let spread = (squares * count * share * (1.0 - share)).sqrt();
    // What rounding leaves of equal values is no spread.
    let scale = all().fold(0.0_f64, |most, value| most.max(value.abs()));
    if spread <= 1e-12 * scale * count {
        return 0.0;
    }
    (above / spread).clamp(-1.0, 1.0)
}

/// The two-sided p-value of a correlation of `count` pairs.
fn p_value(correlation: f64, count: usize) -> f64 {
    if count < 3 || correlation.is_nan() {
        return 1.0;
    }
    let freedom = (count - 2) as f64;
    let rest = 1.0 - correlation * correlation;
    if rest <= 0.0 {
        return 0.0;
    }
    let t = correlation.abs() * (freedom / rest).sqrt();
    // Valid for any positive number of degrees of freedom.
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| (2.0 * student.cdf(-t)).min(1.0))
}

/// The probability that a clean value is above a corrupt one, ties half, from ranks.
fn auroc(clean: &[f64], corrupt: &[f64]) -> f64 {
    // Adding zero makes the two zeros one.
    let mut sorted: Vec<(f64, bool)> = clean
        .iter()
        .map(|&value| (value + 0.0, true))
        .chain(corrupt.iter().map(|&value| (value + 0.0, false)))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = 0.0;
    let mut before = 0;
    for tied in sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let middle = before as f64 + (tied.len() + 1) as f64 / 2.0;
        ranks += middle * tied.iter().filter(|(_, clean)| *clean).count() as f64;
        before += tied.len();
    }
    let (clean, corrupt) = (clean.len() as f64, corrupt.len() as f64);
    (ranks - clean * (clean + 1.0) / 2.0) / (clean * corrupt)
}

/// Corrects p-values for their number by Holm's method; the order stays.
pub(super) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let mut corrected = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_definitions() {
        let clean = [2.0, 3.5, 1.0, 4.0];
        let corrupt = [0.5, 1.0, -1.0];
        let found = Association::of(&clean, &corrupt);
        assert!((found.difference - (2.625 - 0.5 / 3.0)).abs() < 1e-12);
        // Eleven of the twelve pairs have the clean value above, one is a tie.
        assert!((found.auroc - 11.5 / 12.0).abs() < 1e-12);
        assert!((found.rate_clean - 1.0).abs() < 1e-12);
        assert!((found.rate_corrupt - 2.0 / 3.0).abs() < 1e-12);
        // By the definition of Pearson's correlation with labels 1 and 0.
        let all = [2.0, 3.5, 1.0, 4.0, 0.5, 1.0, -1.0];
        let mean = all.iter().sum::<f64>() / 7.0;
        let covariance: f64 = all
            .iter()
            .zip([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
            .map(|(x, y)| (x - mean) * (y - 4.0 / 7.0))
            .sum();
        let (sx, sy): (f64, f64) = (
            all.iter().map(|x| (x - mean).powi(2)).sum(),
            4.0 * (3.0_f64 / 7.0).powi(2) + 3.0 * (4.0_f64 / 7.0).powi(2),
        );
        assert!((found.correlation - covariance / (sx * sy).sqrt()).abs() < 1e-12);
    }

    /// With two degrees of freedom the p-value of a correlation r is 1 - |r|.
    #[test]
    fn p_values_have_their_closed_form_for_four_pairs() {
        for correlation in [-0.9, -0.3, 0.0, 0.5, 0.99] {
            let p = p_value(correlation, 4);
            assert!(
                (p - (1.0 - f64::abs(correlation))).abs() < 1e-9,
                "{correlation}: {p}"
            );
        }
        assert!(p_value(0.95, 200) > 0.0 && p_value(0.95, 200) < 1e-90);
    }

    #[test]
    fn the_two_zeros_are_a_tie() {
        assert!((auroc(&[-0.0, 0.0], &[0.0, -0.0]) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn an_activation_that_never_changes_says_nothing() {
        let found = Association::of(&[0.1; 5], &[0.1; 7]);
        assert!((found.auroc - 0.5).abs() < 1e-12);
        assert!(found.correlation.abs() < 1e-12);
        assert!((found.p - 1.0).abs() < 1e-9);
    }

    #[test]
    fn holm_corrects_in_steps_and_keeps_the_order() {
        assert_eq!(holm(&[0.04, 0.01, 0.03]), [0.06, 0.03, 0.06]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
