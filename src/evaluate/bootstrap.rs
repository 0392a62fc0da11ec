//! Bootstrap intervals over examples.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Fewest examples that have an interval: resamples never leave the range of the examples, and the truth is too often outside
/// of that of fewer.
pub(crate) const FEWEST_EXAMPLES: usize = 6;
/// Examples from which on percentiles are taken as they are.
const MANY_EXAMPLES: usize = 20;

/// One resample in so many may leave a statistic undefined.
const MOST_UNDEFINED: usize = 20;

/// 95 % percentile intervals of statistics of resampled examples; the same resamples for all of them.
///
/// `statistics` gets the numbers of the examples picked, with repetition, and gives one value per statistic. A
/// statistic without a defined value has no interval, nor has one that more than a twentieth of the resamples leave undefined:
/// the interval would be of those on which it happens to be defined.
///
/// # Complexity
/// `resamples` evaluations of the statistics; memory for one number per statistic and resample.
pub(crate) fn intervals(
    examples: usize,
    resamples: usize,
    seed: u64,
    statistics: impl Fn(&[usize]) -> Vec<Option<f64>>,
) -> Vec<Option<[f64; 2]>> {
    intervals_of_sets(&[examples], resamples, seed, |picks| statistics(&picks[0]))
}

/// The same of statistics of several independent sets of examples, each resampled apart; none where a set has fewer than
/// [`FEWEST_EXAMPLES`].
pub(crate) fn intervals_of_sets(
    sets: &[usize],
    resamples: usize,
    seed: u64,
    statistics: impl Fn(&[Vec<usize>]) -> Vec<Option<f64>>,
) -> Vec<Option<[f64; 2]>> {
    let all: Vec<Vec<usize>> = sets
        .iter()
        .map(|&examples| (0..examples).collect())
        .collect();
    let mut values = vec![Vec::new(); statistics(&all).len()];
    let fewest = sets.iter().copied().min().unwrap_or(0);
    if fewest < FEWEST_EXAMPLES {
        return vec![None; values.len()];
    }
    let tail = tail(fewest);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pick = |&examples: &usize| -> Vec<usize> {
        (0..examples)
            .map(|_| rng.random_range(0..examples))
            .collect()
    };
    for _ in 0..resamples {
        let picks: Vec<Vec<usize>> = sets.iter().map(&mut pick).collect();
        for (values, value) in values.iter_mut().zip(statistics(&picks)) {
            values.extend(value);
        }
    }
    values
        .iter_mut()
        .map(|values| {
            let undefined = resamples - values.len();
            let enough = undefined * MOST_UNDEFINED <= resamples;
            enough.then(|| percentiles(values, tail)).flatten()
        })
        .collect()
}

/// The share of resamples that is cut off at each end.
///
/// Resamples spread less than samples do, and of few examples nobody knows the spread: with 2.5 % at each end an interval of
/// six leaves the truth out three times as often as it says. The ends move out by what Student's t is wider than the normal
/// distribution. Reference: Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 5.4.
fn tail(examples: usize) -> f64 {
    const NOMINAL: f64 = 0.025;
    if examples >= MANY_EXAMPLES {
        return NOMINAL;
    }
    let count = examples as f64;
    let student = StudentsT::new(0.0, 1.0, count - 1.0);
    student.map_or(NOMINAL, |student| {
        let ends = student.inverse_cdf(NOMINAL) * (count / (count - 1.0)).sqrt();
        Normal::standard().cdf(ends)
    })
}

fn percentiles(values: &mut [f64], tail: f64) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[(last as f64 * share).round() as usize];
    Some([at(tail), at(1.0 - tail)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By scipy: norm.cdf(-sqrt(n / (n - 1)) * t.ppf(0.975, n - 1)).
    #[test]
    fn few_examples_cut_off_less() {
        for (examples, wanted) in [(6, 0.002_431_8), (10, 0.008_550_64), (19, 0.015_444_8)] {
            assert!((tail(examples) - wanted).abs() < 1e-6, "{examples}");
        }
        assert!((tail(20) - 0.025).abs() < 1e-12 && (tail(500) - 0.025).abs() < 1e-12);
    }

    /// The intervals of means of normal examples hold the truth about as often as they say.
    #[test]
    fn intervals_of_few_examples_keep_what_they_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for examples in [6, 8, 12] {
            let rounds = 2000;
            let held = (0..rounds).filter(|_| {
                let mut normal = || {
                    // Box and Muller's.
                    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
                    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
                };
                let values: Vec<f64> = (0..examples).map(|_| normal()).collect();
                let statistic =
                    |picks: &[usize]| vec![Some(picks.iter().map(|&it| values[it]).sum::<f64>())];
                let found = intervals(examples, 200, 0, statistic);
                found[0].is_some_and(|[low, high]| low <= 0.0 && high >= 0.0)
            });
            let held = held.count() as f64 / f64::from(rounds);
            assert!((0.91..0.96).contains(&held), "{examples}: {held}");
        }
        let few = intervals(FEWEST_EXAMPLES - 1, 200, 0, |_| vec![Some(1.0)]);
        assert_eq!(few, [None]);
    }
}
