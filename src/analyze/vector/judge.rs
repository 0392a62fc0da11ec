//! A vector on held-out prompts, next to random and shuffled ones.

use super::report::{MetricAndAccuracy, RemainingBehaviour};
use crate::engine::{AddAt, Resumable, Steering, Transformer, mean};
use crate::error::Result;
use crate::evaluate::Effect;
use crate::evaluate::intervals_of_sets;
use crate::events::{Event, Observer, phase};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Least difference of the metric with the behaviour and without it of which shares are taken.
const LEAST_RANGE: f64 = 1e-6;

/// How results are judged.
#[derive(Clone, Copy)]
pub(super) struct Judge<'j, 't, T> {
    pub transformer: &'j Transformer<'t, T>,
    pub metric: Metric,
    pub bootstrap: usize,
    pub observer: &'j dyn Observer,
}

impl<T: Real> Judge<'_, '_, T> {
    /// Metric of each example in a steered run, and the figures to it.
    pub(super) fn rated(
        &self,
        examples: &[Example],
        steering: &Steering<T>,
    ) -> Result<(Vec<f64>, MetricAndAccuracy)> {
        let run = |metric| {
            self.transformer
                .steered_metric(examples, metric, steering, self.observer)
        };
        let values = run(self.metric)?;
        let accuracy = Effect::share(&run(Metric::Accuracy)?);
        let rated = MetricAndAccuracy {
            metric: self.estimate(&values),
            accuracy: accuracy.mean,
            accuracy_interval: accuracy.interval,
        };
        Ok((values, rated))
    }

    /// The mean of the metric with its interval.
    pub(super) fn estimate(&self, values: &[f64]) -> Effect {
        Effect::of_metric(self.metric, values, self.bootstrap)
    }

    /// The mean metric with each of some vectors added.
    pub(super) fn with_each(
        &self,
        examples: &[Example],
        (layer, strength, at): (usize, f64, AddAt),
        vectors: &[Vec<f64>],
        name: &str,
    ) -> Result<Vec<f64>> {
        phase(self.observer, name, examples.len() as u64);
        let mut values = vec![Vec::with_capacity(examples.len()); vectors.len()];
        let mut done = 0;
        for group in self.transformer.groups(examples) {
            let ready = Resumable::new(self.transformer, group, at)?;
            for (values, vector) in values.iter_mut().zip(vectors) {
                let found = ready.added(self.metric, (layer, at), vector, &[strength])?;
                values.extend(found.into_iter().flatten());
            }
            done += group.len();
            self.observer.event(Event::Step {
                done: done as u64,
                note: String::new(),
            });
        }
        Ok(values.iter().map(|values| mean(values)).collect())
    }

    /// The mean metric with each of some directions ablated.
    pub(super) fn without_each(
        &self,
        examples: &[Example],
        vectors: &[Vec<f64>],
    ) -> Result<Vec<f64>> {
        phase(
            self.observer,
            "random directions taken out",
            vectors.len() as u64,
        );
        let mut found = Vec::with_capacity(vectors.len());
        for vector in vectors {
            let steering = Steering::projecting_out(vector);
            let values =
                self.transformer
                    .steered_metric(examples, self.metric, &steering, self.observer)?;
            found.push(mean(&values));
        }
        Ok(found)
    }
}

/// (`after` - `before`) / (`clean` - `before`), where there is a behaviour. Where the clean prompts are those of the same
/// `pairs`, they are resampled together, otherwise apart.
pub(super) fn recovered(
    (before, after): (&[f64], &[f64]),
    clean: &[f64],
    (pairs, bootstrap): (bool, usize),
) -> Option<Effect> {
    let range = mean(clean) - mean(before);
    if range < LEAST_RANGE {
        return None;
    }
    let statistic = |picks: &[Vec<usize>]| {
        let pick = |from: &[f64], picks: &[usize]| {
            mean(&picks.iter().map(|&index| from[index]).collect::<Vec<_>>())
        };
        let (before, after) = (pick(before, &picks[0]), pick(after, &picks[0]));
        let range = pick(clean, &picks[picks.len() - 1]) - before;
        vec![(range >= LEAST_RANGE).then(|| (after - before) / range)]
    };
    let sizes = [before.len(), clean.len()];
    let sizes = &sizes[..if pairs { 1 } else { 2 }];
    Some(Effect {
        mean: (mean(after) - mean(before)) / range,
        interval: intervals_of_sets(sizes, bootstrap, 0, statistic)
            .pop()
            .flatten(),
    })
}

/// What is left of the behaviour.
pub(super) fn left(
    clean: f64,
    corrupt: f64,
    projected: f64,
    random: &[f64],
) -> Option<RemainingBehaviour> {
    let share = |metric: f64| (metric - corrupt) / (clean - corrupt);
    (clean - corrupt >= LEAST_RANGE).then(|| RemainingBehaviour {
        share: share(projected),
        random: (!random.is_empty()).then(|| share(mean(random))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair recovers half of what it lost, and pairs differ much more than that.
    #[test]
    fn numerator_and_denominator_are_of_the_same_prompts_where_there_are_pairs() {
        let before: Vec<f64> = (0..24).map(|pair| f64::from(pair * 37 % 24)).collect();
        let more = |by: f64| -> Vec<f64> { before.iter().map(|value| value + by).collect() };
        let (after, clean) = (more(4.0), more(8.0));
        let found = |pairs| {
            let found = recovered((&before, &after), &clean, (pairs, 400)).expect("a share");
            assert!((found.mean - 0.5).abs() < 1e-12);
            let [low, high] = found.interval.expect("an interval");
            high - low
        };
        assert!(found(true) < 1e-9, "{}", found(true));
        assert!(found(false) > 0.1, "{}", found(false));
    }
}
