//! Intervals of proportions, which stay wide where all cases are alike.

/// The standard normal distribution's 97.5th percentile.
const DEVIATIONS: f64 = 1.959_963_984_540_054;

/// The 95 % interval of a proportion, `count` of `all` cases; of none, all that is possible.
///
/// Of values between 0 and 1 instead of cases, `count` is their sum: they vary no more than cases do, so the interval is
/// at least as wide as it has to be. Reference: Wilson 1927, "Probable inference, the law of succession, and statistical
/// inference".
pub(crate) fn wilson(count: f64, all: f64) -> [f64; 2] {
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

/// The 95 % interval of a mean of values between 0 and 1, most of them 0 or 1.
pub(crate) fn share_interval(values: &[f64]) -> [f64; 2] {
    wilson(values.iter().sum(), values.len() as f64)
}

/// The 95 % interval of the mean of differences between two proportions of the same cases, each from -1 to 1; of none, all
/// that is possible.
///
/// Two cases are added that differ one way and the other, so that it has a width where no case differs. Reference: Agresti
/// and Min 2005, "Simple improved confidence intervals for comparing matched proportions".
pub(crate) fn paired_difference(differences: &[f64]) -> [f64; 2] {
    let all = differences.len() as f64 + 2.0;
    let middle = differences.iter().sum::<f64>() / all;
    let squares = differences.iter().map(|it| it * it).sum::<f64>() + 1.0;
    let half = DEVIATIONS * ((squares / all - middle * middle) / all).sqrt();
    if differences.is_empty() {
        return [-1.0, 1.0];
    }
    [(middle - half).max(-1.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval's ends are the shares at which the observed one is 1.96 standard deviations away.
    #[test]
    fn ends_solve_the_equation_of_the_score_test() {
        for (count, all) in [(0.0, 1.0), (3.0, 10.0), (10.0, 10.0), (81.0, 263.0)] {
            for end in wilson(count, all) {
                let deviation = (end * (1.0 - end) / all).sqrt();
                let distance = (count / all - end).abs();
                assert!(
                    (distance - DEVIATIONS * deviation).abs() < 1e-12,
                    "{count} of {all}: {end}"
                );
            }
        }
        assert!((wilson(3.0, 10.0)[0] - 0.107_791).abs() < 1e-6);
        let [low, high] = wilson(0.0, 0.0);
        assert!(low <= 0.0 && high >= 1.0);
    }

    /// Of 100 pairs 22 differ one way and 8 the other: with two more, by hand.
    #[test]
    fn differences_of_the_same_cases_have_a_width_even_where_none_differs() {
        let differences: Vec<f64> = (0..100)
            .map(|case| match case {
                0..22 => 1.0,
                22..30 => -1.0,
                _ => 0.0,
            })
            .collect();
        let [low, high] = paired_difference(&differences);
        let (mean, spread) = (
            14.0 / 102.0,
            (31.0 / 102.0 - (14.0_f64 / 102.0).powi(2)).sqrt(),
        );
        let half = DEVIATIONS * spread / 102.0_f64.sqrt();
        assert!((low - (mean - half)).abs() < 1e-12 && (high - (mean + half)).abs() < 1e-12);
        for same in [-1.0, 0.0, 1.0] {
            let [low, high] = paired_difference(&[same; 18]);
            assert!(low <= same && same <= high && high - low > 0.15, "{same}");
        }
    }
}
