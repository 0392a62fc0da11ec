//! Bootstrap intervals over examples.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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
/// two.
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
    if sets.iter().any(|&examples| examples < 2) {
        return vec![None; values.len()];
    }
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
            enough.then(|| percentiles(values)).flatten()
        })
        .collect()
}

fn percentiles(values: &mut [f64]) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[(last as f64 * share).round() as usize];
    Some([at(0.025), at(0.975)])
}
