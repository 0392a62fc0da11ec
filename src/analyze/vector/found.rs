//! Vectors from prompts: differences of means, and sums of heads.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::report::HeadEffect;
use crate::engine::{AddAt, Resumable, Transformer, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::Node;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Mean streams after each layer, `[positions back][layers][d_model]`.
type Streams = Vec<Vec<Vec<f64>>>;

/// The mean streams that leave every layer, at the scored position and those before it.
fn mean_streams<T: Real>(
    transformer: &Transformer<'_, T>,
    examples: &[Example],
    positions: usize,
    observer: &dyn Observer,
) -> Result<Streams> {
    let mut sums: Streams = vec![Vec::new(); positions];
    let share = 1.0 / examples.len() as f64;
    transformer.streams_before_read(examples, positions, observer, |_, back, layer, stream| {
        let layers = &mut sums[back];
        if layers.len() <= layer {
            layers.resize(layer + 1, vec![0.0; stream.len()]);
        }
        for (sum, value) in layers[layer].iter_mut().zip(stream) {
            *sum += share * value.to_f64();
        }
    })?;
    Ok(sums)
}

/// The clean prompts' mean streams minus the corrupt ones'.
pub(super) fn differences_of_means<T: Real>(
    transformer: &Transformer<'_, T>,
    (clean, corrupt): (&[Example], &[Example]),
    positions: usize,
    observer: &dyn Observer,
) -> Result<Streams> {
    phase(observer, "mean streams, clean", clean.len() as u64);
    let mut found = mean_streams(transformer, clean, positions, observer)?;
    phase(observer, "mean streams, corrupt", corrupt.len() as u64);
    let other = mean_streams(transformer, corrupt, positions, observer)?;
    let values = found.iter_mut().flatten().flatten();
    for (value, other) in values.zip(other.iter().flatten().flatten()) {
        *value -= other;
    }
    Ok(found)
}

/// Differences of means at one layer and position after the labels of each pair were drawn by lot, `count` of them.
pub(super) fn shuffled_differences<T: Real>(
    transformer: &Transformer<'_, T>,
    (clean, corrupt): (&[Example], &[Example]),
    (layer, back): (usize, usize),
    count: usize,
    observer: &dyn Observer,
) -> Result<Vec<Vec<f64>>> {
    let d_model = transformer.heads().d_model;
    let mut sums = vec![vec![0.0; d_model]; count];
    for (examples, sign) in [(clean, 1.0), (corrupt, -1.0)] {
        phase(observer, "shuffled labels", examples.len() as u64);
        // The same draws for both sides of a pair.
        let mut draws: Vec<ChaCha8Rng> = (0..count as u64).map(ChaCha8Rng::seed_from_u64).collect();
        let mut add = |stream: &[T]| {
            for (sum, draws) in sums.iter_mut().zip(&mut draws) {
                let sign = if draws.random::<bool>() { sign } else { -sign };
                for (sum, value) in sum.iter_mut().zip(stream) {
                    *sum += sign * value.to_f64();
                }
            }
        };
        transformer.streams_before_read(
            examples,
            back + 1,
            observer,
            |_, at_back, at_layer, stream| {
                if (at_layer, at_back) == (layer, back) {
                    add(stream);
                }
            },
        )?;
    }
    Ok(sums)
}

/// The heads whose mean result on clean prompts raises the metric of the corrupt prompts most, with the sum of what they
/// write; and what the same heads write on average on corrupt prompts.
pub(super) struct HeadSum {
    pub vector: Vec<f64>,
    pub on_corrupt: Vec<f64>,
    pub heads: Vec<HeadEffect>,
}

impl HeadSum {
    /// # Complexity
    /// Three forward passes, and one of the rows read for each head.
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        (clean, corrupt): (&[Example], &[Example]),
        (count, metric): (usize, Metric),
        observer: &dyn Observer,
    ) -> Result<Self> {
        let shape = transformer.heads();
        phase(observer, "mean heads, clean", clean.len() as u64);
        let means = transformer.mean_heads(clean, observer)?;
        phase(observer, "mean heads, corrupt", corrupt.len() as u64);
        let on_corrupt = transformer.mean_heads(corrupt, observer)?;
        phase(observer, "metric, corrupt", corrupt.len() as u64);
        let before = mean(&transformer.clean_metric(corrupt, metric, observer)?);
        let mut totals = vec![vec![0.0; shape.n_heads]; shape.n_layers];
        phase(observer, "effects of heads", corrupt.len() as u64);
        let mut done = 0;
        for group in transformer.groups(corrupt) {
            let ready = Resumable::new(transformer, group, AddAt::Scored)?;
            for (layer, totals) in totals.iter_mut().enumerate() {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                let heads = means[layer].chunks_exact(shape.d_head).enumerate();
                let set: Vec<(usize, Vec<T>)> = heads
                    .map(|(head, z)| (head, z.iter().map(|&value| T::from_f64(value)).collect()))
                    .collect();
                for (total, values) in totals.iter_mut().zip(ready.heads_set(metric, layer, &set)?)
                {
                    // One after the other, so that the sum does not depend on the groups.
                    for value in values {
                        *total += value;
                    }
                }
            }
            done += group.len();
            observer.event(Event::Step {
                done: done as u64,
                note: String::new(),
            });
        }
        let mut effects = Vec::new();
        for (layer, totals) in totals.iter().enumerate() {
            for (head, total) in totals.iter().enumerate() {
                effects.push(((layer, head), total / corrupt.len() as f64 - before));
            }
        }
        effects.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        effects.truncate(count);
        let sum = |of: &[Vec<f64>]| {
            let mut sum = vec![0.0; shape.d_model];
            for ((layer, head), _) in &effects {
                let z = &of[*layer][head * shape.d_head..(head + 1) * shape.d_head];
                let written = transformer.head_writes(*layer, *head, z);
                for (sum, value) in sum.iter_mut().zip(written) {
                    *sum += value;
                }
            }
            sum
        };
        Ok(Self {
            vector: sum(&means),
            on_corrupt: sum(&on_corrupt),
            heads: effects
                .iter()
                .map(|&((layer, head), effect)| HeadEffect {
                    head: Node::Head { layer, head }.to_string(),
                    effect,
                })
                .collect(),
        })
    }
}
