//! The analysis of a vector from prompts to its report.

use super::found::{HeadSum, differences_of_means, shuffled_differences};
use super::judge::{Judge, left, recovered};
use super::parameters::{Vector, VectorFrom};
use super::report::{Passage, Sample, SweepPoint, VectorReport};
use super::sweep::{Candidate, sweep};
use super::unrelated::unrelated_text;
use crate::analyze::layers_asked;
use crate::analyze::random::{norm_of, random_vectors, scale_to};
use crate::analyze::samples::{Writing, samples};
use crate::engine::{Steering, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::Gap;
use crate::evaluate::{Effect, Share};
use crate::events::{Event, Observer, phase};
use crate::metric::Metric;
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// The prompts and figures that an analysis of a vector works with.
#[derive(Clone, Copy)]
pub struct VectorTask<'t> {
    /// Pairs that the vector is found on.
    pub discovery: &'t [Example],
    /// Pairs that it is judged on.
    pub held_out: &'t [Example],
    /// Examples whose corrupt prompts it is added to: those by which layer and strength are chosen, and those by which it
    /// is judged.
    pub add_to: [&'t [Example]; 2],
    /// The measure of the behaviour.
    pub metric: Metric,
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Random vectors to compare with.
    pub random_baselines: usize,
    /// Text that has nothing to do with the behaviour.
    pub text: &'t [Passage],
    /// The tokenizer, for text.
    pub tokenizer: Option<&'t Tokenizer>,
    /// The token that ends generated text.
    pub stop: Option<u32>,
}

/// A vector, and where it is added how strongly.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundVector {
    /// Its numbers, `[d_model]`.
    pub values: Vec<f64>,
    /// The layer after which it is added.
    pub layer: usize,
    /// The multiple of it that is added.
    pub strength: f64,
}

/// Finds a vector for a behaviour, chooses where to add it, and judges it on held-out prompts.
///
/// # Errors
/// When a layer does not exist, a prompt is too short, a number is not finite, or the observer interrupts.
///
/// # Complexity
/// Two forward passes over the discovery prompts (with heads three, and one of the rows read for each head); one of the rows
/// changed for each layer and strength over both splits; then about as many passes over the held-out prompts as there are
/// random baselines.
pub fn find_vector<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &VectorTask<'_>,
    question: &Vector,
    observer: &dyn Observer,
) -> Result<(VectorReport, FoundVector)> {
    let judge = Judge {
        transformer,
        metric: task.metric,
        bootstrap: task.bootstrap,
        observer,
    };
    let corrupt = swapped(task.discovery);
    let add_to = task.add_to.map(swapped);
    let sides = (task.discovery, &corrupt[..]);
    let (found, head_sum) = vectors(transformer, (sides, task.metric), question, observer)?;
    let points = sweep_points(&judge, &found, [&add_to[0], &add_to[1]], question)?;
    phase(
        observer,
        "metric on clean prompts",
        task.discovery.len() as u64,
    );
    let wanted = mean(&transformer.clean_metric(task.discovery, task.metric, observer)?);
    let best = chosen(&points, wanted)?;
    let vector = found[best.positions_back][best.layer].clone();
    let norm = norm_of(&vector);
    if norm <= 0.0 {
        let problem = "the vector is zero: clean and corrupt prompts give the same mean";
        return Err(Error::data("the prompts", problem));
    }

    phase(observer, "held-out prompts", 0);
    let adding = Steering::adding(best.layer, &vector, best.strength, question.add_at);
    let out = Steering::projecting_out(&vector);
    let (clean_values, clean) = judge.rated(task.held_out, &Steering::none())?;
    let (before_values, before) = judge.rated(&add_to[1], &Steering::none())?;
    let (added_values, added) = judge.rated(&add_to[1], &adding)?;
    let (_, projected_out) = judge.rated(task.held_out, &out)?;
    let held_out_corrupt = swapped(task.held_out);
    let corrupt_metric =
        mean(&transformer.clean_metric(&held_out_corrupt, task.metric, observer)?);

    let random = random_vectors(task.random_baselines, vector.len(), norm);
    let mut shuffled = if let Some(sum) = &head_sum {
        vec![sum.on_corrupt.clone()]
    } else {
        let place = (best.layer, best.positions_back);
        shuffled_differences(transformer, sides, place, task.random_baselines, observer)?
    };
    for vector in &mut shuffled {
        scale_to(vector, norm);
    }
    let to = (best.layer, best.strength, question.add_at);
    let added_random = judge.with_each(&add_to[1], to, &random, "random vectors")?;
    let added_shuffled = judge.with_each(&add_to[1], to, &shuffled, "shuffled vectors")?;
    let projected_out_random = judge.without_each(task.held_out, &random)?;

    let pairs = add_to[1] == held_out_corrupt;
    let recovered = recovered(
        (&before_values, &added_values),
        &clean_values,
        (pairs, task.bootstrap),
    );
    let warnings = warnings((&before_values, &clean_values), pairs, recovered, observer);
    let written = Written::new(
        transformer,
        task,
        question,
        (&add_to[1], &adding, &out),
        observer,
    )?;
    let what = (best.layer, &vector[..], best.strength);
    let report = VectorReport {
        examples_discovery: task.discovery.len(),
        examples: task.held_out.len(),
        examples_added_to: add_to[1].len(),
        layer: best.layer,
        strength: best.strength,
        positions_back: head_sum.is_none().then_some(best.positions_back),
        norm,
        stream_norm: stream_norm(transformer, &add_to[1], best.layer, observer)?,
        clean,
        before,
        added,
        recovered,
        added_random,
        added_shuffled,
        left: left(
            clean.metric.mean,
            corrupt_metric,
            projected_out.metric.mean,
            &projected_out_random,
        ),
        projected_out,
        projected_out_random,
        text: unrelated_text(transformer, task.text, what, observer)?,
        heads: head_sum.map_or_else(Vec::new, |sum| sum.heads),
        sweep: points,
        contains: says(&question.contains, &written.added, &written.clean),
        samples: written.added,
        samples_clean: written.clean,
        warnings,
    };
    let vector = FoundVector {
        values: vector,
        layer: best.layer,
        strength: best.strength,
    };
    Ok((report, vector))
}

fn swapped(examples: &[Example]) -> Vec<Example> {
    examples.iter().map(Example::swapped).collect()
}

/// The vectors by position and layer, and the heads that they are a sum of.
type Vectors = (Vec<Vec<Vec<f64>>>, Option<HeadSum>);

fn vectors<T: Real>(
    transformer: &Transformer<'_, T>,
    (sides, metric): ((&[Example], &[Example]), Metric),
    question: &Vector,
    observer: &dyn Observer,
) -> Result<Vectors> {
    match question.from {
        VectorFrom::Means { positions } => {
            long_enough(sides.0.iter().chain(sides.1), positions)?;
            let found = differences_of_means(transformer, sides, positions, observer)?;
            Ok((found, None))
        }
        VectorFrom::Heads { count } => {
            let sum = HeadSum::new(transformer, sides, (count, metric), observer)?;
            let everywhere = vec![sum.vector.clone(); transformer.heads().n_layers];
            Ok((vec![everywhere], Some(sum)))
        }
    }
}

/// The metric for every position, layer and strength, on the prompts that choose and on those that judge.
fn sweep_points<T: Real>(
    judge: &Judge<'_, '_, T>,
    found: &[Vec<Vec<f64>>],
    [choosing, judging]: [&[Example]; 2],
    question: &Vector,
) -> Result<Vec<SweepPoint>> {
    let layers = layers_asked(judge.transformer.heads().n_layers, &question.layers)?;
    let mut candidates = Vec::new();
    let mut of = Vec::new();
    for (back, found) in found.iter().enumerate() {
        for &layer in &layers {
            candidates.push(Candidate {
                layer,
                vector: &found[layer],
            });
            of.push((layer, back));
        }
    }
    let strengths = (&question.strengths[..], question.add_at);
    let run = |examples, name| {
        let prompts = (examples, judge.metric);
        let told = (name, judge.observer);
        sweep(judge.transformer, prompts, &candidates, strengths, told)
    };
    let on_discovery = run(choosing, "layers and strengths")?;
    let on_held_out = run(judging, "layers and strengths, held out")?;
    let mut points = Vec::new();
    for (index, &(layer, positions_back)) in of.iter().enumerate() {
        for (which, &strength) in question.strengths.iter().enumerate() {
            points.push(SweepPoint {
                layer,
                strength,
                positions_back,
                discovery: mean(&on_discovery[index][which]),
                held_out: judge.estimate(&on_held_out[index][which]),
            });
        }
    }
    Ok(points)
}

/// Remarks, which the observer hears too.
fn warnings(
    (before, clean): (&[f64], &[f64]),
    paired: bool,
    recovered: Option<Effect>,
    observer: &dyn Observer,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let gap = Gap {
        with: ("the clean prompts", clean),
        without: ("the prompts that the vector is added to", before),
        paired,
    };
    if recovered.is_some() {
        warnings.extend(gap.doubt("what the vector brings back"));
    } else {
        let warning = "the metric on the clean prompts is not above that on the prompts that the vector is added to: the \
                       model does not show this behaviour, or clean and corrupt have the wrong roles";
        warnings.push(warning.to_owned());
    }
    for warning in &warnings {
        observer.event(Event::Warning(warning.clone()));
    }
    warnings
}

/// Samples of generated text.
struct Written {
    added: Vec<Sample>,
    clean: Vec<Sample>,
}

impl Written {
    fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        task: &VectorTask<'_>,
        question: &Vector,
        (add_to, adding, out): (&[Example], &Steering<T>, &Steering<T>),
        observer: &dyn Observer,
    ) -> Result<Self> {
        phase(observer, "samples", 0);
        let writing = Writing {
            tokenizer: task.tokenizer,
            tokens: question.tokens,
            stop: task.stop,
        };
        let written = |examples: &[Example], steering: &Steering<T>| {
            if question.tokens == 0 {
                return Ok(Vec::new());
            }
            let first = &examples[..question.samples.min(examples.len())];
            samples(transformer, first, writing, steering, observer)
        };
        Ok(Self {
            added: written(add_to, adding)?,
            clean: written(task.held_out, out)?,
        })
    }
}

/// Where a vector is added: of the points at which the discovery prompts have the metric of the clean ones, the best of the
/// least strength, so that no more is changed than needed; where there is none, the best of all. The first of equally good
/// ones.
fn chosen(points: &[SweepPoint], wanted: f64) -> Result<SweepPoint> {
    let reach = points.iter().filter(|point| point.discovery >= wanted);
    let least = reach
        .map(|point| point.strength.abs())
        .min_by(f64::total_cmp);
    let fits = |point: &&SweepPoint| {
        least.is_none_or(|least| point.strength.abs() <= least && point.discovery >= wanted)
    };
    let points = points.iter().rev().filter(fits);
    let best = points.max_by(|a, b| a.discovery.total_cmp(&b.discovery));
    best.copied()
        .ok_or_else(|| Error::Bug("a sweep of nothing".into()))
}

/// Refuses prompts that have fewer positions in front of the one read than are looked at.
fn long_enough<'e>(examples: impl Iterator<Item = &'e Example>, positions: usize) -> Result<()> {
    let shortest = examples.filter_map(|it| it.at.last()).min();
    match shortest {
        Some(&last) if last + 1 < positions => Err(Error::Usage(format!(
            "positions is {positions}, but in the shortest prompt the position read is number {}",
            last + 1
        ))),
        _ => Ok(()),
    }
}

/// The mean norm of the stream after a layer at the scored position.
fn stream_norm<T: Real>(
    transformer: &Transformer<'_, T>,
    examples: &[Example],
    layer: usize,
    observer: &dyn Observer,
) -> Result<f64> {
    let mut total = 0.0;
    transformer.streams_before_read(examples, 1, observer, |_, _, at, stream| {
        if at == layer {
            let squares = stream.iter().map(|value| value.to_f64() * value.to_f64());
            total += squares.sum::<f64>().sqrt();
        }
    })?;
    Ok(total / examples.len() as f64)
}

/// Shares of samples that say one of some texts, whatever the case of letters.
fn says(texts: &[String], added: &[Sample], clean: &[Sample]) -> Option<[Share; 4]> {
    if texts.is_empty() || added.is_empty() || clean.is_empty() {
        return None;
    }
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    let share = |samples: &[Sample], of: fn(&Sample) -> &String| {
        Share::of(samples.iter().map(|sample| {
            let written = of(sample).to_lowercase();
            texts.iter().any(|text| written.contains(text))
        }))
    };
    Some([
        share(added, |it| &it.before),
        share(added, |it| &it.after),
        share(clean, |it| &it.before),
        share(clean, |it| &it.after),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_changed_than_needed() {
        let point = |layer, strength, discovery| SweepPoint {
            layer,
            strength,
            positions_back: 0,
            discovery,
            held_out: Effect {
                mean: 0.0,
                interval: None,
            },
        };
        let points = [
            point(0, 1.0, 2.0),
            point(0, 2.0, 9.0),
            point(1, 1.0, 3.0),
            point(1, 2.0, 5.0),
            point(2, 1.0, 3.0),
        ];
        let at = |wanted| {
            chosen(&points, wanted)
                .map(|it| (it.layer, it.strength))
                .expect("a point")
        };
        assert_eq!(at(2.5), (1, 1.0));
        assert_eq!(at(4.0), (0, 2.0));
        assert_eq!(at(99.0), (0, 2.0));
        assert!(chosen(&[], 0.0).is_err());
    }
}
