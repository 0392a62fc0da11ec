use super::*;
use crate::analyze::random::normal;

/// A distribution of effects.
type Draw = fn(&mut ChaCha8Rng) -> f64;

/// Distributions of mean zero.
const WITHOUT_EFFECT: [(&str, Draw); 5] = [
    ("normal", |rng| normal(rng)),
    ("skewed", |rng| -(1.0 - rng.random::<f64>()).ln() - 1.0),
    ("heavy tails", |rng| {
        // Student's t with three degrees of freedom.
        let square = |rng: &mut ChaCha8Rng| normal(rng).powi(2);
        let squares = square(rng) + square(rng) + square(rng);
        normal(rng) / (squares / 3.0).sqrt()
    }),
    ("mostly zero", |rng| match rng.random_range(0..10) {
        0 => 1.0,
        1 => -1.0,
        _ => 0.0,
    }),
    ("of two kinds", |rng| if rng.random() { 1.0 } else { -1.0 }),
];

fn drawn(draw: Draw, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count).map(|_| draw(rng)).collect()
}

/// Whether a mean is said to have a sign. Most have not by Student's test already, which takes no draws.
fn is_sure(values: &[f64], sign: f64) -> bool {
    let t = sign.signum() * Spread::of(values).t();
    student(t, values.len() as f64 - 1.0) <= SURE
        && p_of_mean(values, sign).is_some_and(|p| p <= SURE)
}

/// The same of the difference of two means.
fn differs(values: &[f64], others: &[f64], sign: f64) -> bool {
    let [one, other] = [Spread::of(values), Spread::of(others)];
    let t = sign.signum() * one.welch(&other);
    student(t, one.welch_freedom(&other)) <= SURE
        && p_of_difference(values, others, sign).is_some_and(|p| p <= SURE)
}

/// How often values of mean zero are said to have the sign that others like them had.
fn false_rate(draw: Draw, count: usize, rounds: usize, seed: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sure = (0..rounds).filter(|_| {
        let sign = mean(&drawn(draw, count, &mut rng));
        let values = drawn(draw, count, &mut rng);
        is_sure(&values, sign)
    });
    sure.count() as f64 / rounds as f64
}

/// A rate that is as promised is measured above this once in a thousand times.
fn bound(rounds: usize) -> f64 {
    SURE + 3.1 * (SURE * (1.0 - SURE) / rounds as f64).sqrt()
}

#[test]
fn an_effect_of_zero_is_called_sure_no_more_often_than_promised() {
    let rounds = 4000;
    for (name, draw) in WITHOUT_EFFECT {
        for count in [FEWEST_SIGNED, 12, 16, 32, 64] {
            let rate = false_rate(draw, count, rounds, count as u64);
            assert!(rate <= bound(rounds), "{name}, {count}: {rate}");
        }
    }
}

#[test]
fn a_difference_of_zero_is_called_sure_no_more_often_than_promised() {
    let rounds = 2000;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (name, draw) in WITHOUT_EFFECT {
        for counts in [[10, 10], [12, 30], [40, 40]] {
            let sure = (0..rounds).filter(|_| {
                let [values, others, before, after] = [counts[0], counts[1], counts[0], counts[1]]
                    .map(|count| drawn(draw, count, &mut rng));
                let sign = mean(&before) - mean(&after);
                differs(&values, &others, sign)
            });
            let rate = sure.count() as f64 / f64::from(rounds as u32);
            assert!(rate <= bound(rounds), "{name}, {counts:?}: {rate}");
        }
    }
    assert_eq!(p_of_difference(&[1.0; 40], &[0.0; 9], 1.0), None);
}

/// What is promised is worth something only if effects that are there are found.
#[test]
fn effects_that_are_there_are_found() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (count, effect, least) in [
        (10, 1.2, 0.75),
        (16, 1.2, 0.95),
        (32, 0.8, 0.95),
        (64, 0.5, 0.9),
    ] {
        let rounds = 300;
        let found = (0..rounds).filter(|_| {
            let values: Vec<f64> = (0..count).map(|_| normal(&mut rng) + effect).collect();
            p_of_mean(&values, 1.0).is_some_and(|p| p <= SURE)
        });
        let power = found.count() as f64 / f64::from(rounds);
        assert!(power >= least, "{count} of {effect}: {power}");
    }
    let [values, others] = [1.0, 0.0].map(|effect| {
        let values: Vec<f64> = (0..32).map(|_| normal(&mut rng) + effect).collect();
        values
    });
    assert!(p_of_difference(&values, &others, 1.0).is_some_and(|p| p <= SURE));
    assert!(p_of_difference(&values, &others, -1.0).is_some_and(|p| p > 0.9));
}

#[test]
fn values_without_a_spread_are_as_sure_as_their_number_allows() {
    // One of 1024 ways of exchanging ten signs is this one; 1999 of these are drawn.
    let p = p_of_mean(&[0.3; 10], 1.0).expect("enough values");
    assert!((0.000_4..0.003).contains(&p), "{p}");
    assert_eq!(p_of_mean(&[0.3; 10], -1.0), Some(1.0));
    assert_eq!(p_of_mean(&[0.0; 10], 1.0), Some(1.0));
    assert_eq!(p_of_mean(&[0.3; 9], 1.0), None);
}
