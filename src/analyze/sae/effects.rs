//! What single features do on a task: screened by attribution on the discovery prompts, measured exactly beside random
//! features on held-out ones, and shown in the text that the model writes.

use super::change::{FeatureChange, FeatureEffects, Places, Usual, changed, rewriting};
use super::dictionary::Dictionary;
use super::effects_report::{ChangeEffect, EffectsReport, FeatureEffect, SteeredSamples};
use super::screen::Screen;
use crate::analyze::samples::{Writing, samples};
use crate::engine::{Representation, Resumable, Steering, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::{Event, Observer, phase};
use crate::metric::Metric;
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// The prompts and figures that features are measured with.
#[derive(Clone, Copy)]
pub struct FeatureTask<'t> {
    /// Pairs that features are chosen on.
    pub discovery: &'t [Example],
    /// Pairs that they are judged on.
    pub held_out: &'t [Example],
    /// The measure of the behaviour.
    pub metric: Metric,
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Positions at the start of each prompt at which no feature is changed.
    pub skip_first: usize,
    /// Random features to compare with.
    pub random_baselines: usize,
    /// Seed of their draw.
    pub seed: u64,
    /// The tokenizer, for text.
    pub tokenizer: Option<&'t Tokenizer>,
    /// The token that ends generated text.
    pub stop: Option<u32>,
}

impl FeatureTask<'_> {
    fn places(&self, question: &FeatureEffects) -> Places {
        Places {
            at: question.at,
            skip_first: self.skip_first,
        }
    }
}

/// A dictionary at its place.
type Placed<'d, T> = (&'d Dictionary<T>, (usize, Representation));

/// Finds the features that matter on a task and measures what changes of them do.
///
/// Only the feature's own part of the representation changes: the other features and the error of the reconstruction stay
/// as they are.
///
/// # Errors
/// When no feature is active, a number is not finite, or the observer interrupts.
///
/// # Complexity
/// About five forward passes over the discovery prompts, and for each feature and change one from the layer on over all
/// prompts, except where the feature is not active in them.
pub fn feature_effects<T: Real>(
    transformer: &Transformer<'_, T>,
    placed: Placed<'_, T>,
    task: &FeatureTask<'_>,
    question: &FeatureEffects,
    observer: &dyn Observer,
) -> Result<EffectsReport> {
    let places = task.places(question);
    let on = (task.discovery, task.metric, places);
    let screen = Screen::new(transformer, placed, on, observer)?;
    let top = screen.top(question.top);
    if top.is_empty() {
        let problem = "no feature of the dictionary is active on them";
        return Err(Error::data("the discovery prompts", problem));
    }
    let random = screen.of_like_density(&top, task.random_baselines, task.seed);
    let usual: Vec<Usual> = [&top[..], &random]
        .concat()
        .into_iter()
        .map(|feature| screen.usual(feature))
        .collect();
    let measure = |examples, name| {
        let changes = (&usual[..], &question.changes[..], places);
        measured(
            transformer,
            placed,
            changes,
            (examples, task.metric),
            (name, observer),
        )
    };
    let on_discovery = measure(task.discovery, "effects of features")?;
    let on_held_out = measure(task.held_out, "effects of features, held out")?;

    let units = placed.0.units();
    let figures = usual.iter().enumerate().map(|(index, usual)| {
        let feature = usual.feature;
        let effects = (0..question.changes.len()).map(|change| ChangeEffect {
            discovery: mean(&on_discovery.effects[index][change]),
            held_out: Effect::of_change(
                task.metric,
                &on_held_out.effects[index][change],
                task.bootstrap,
            ),
        });
        FeatureEffect {
            feature,
            density: screen.density(feature),
            mean: usual.active * units[feature],
            at_read: [0, 1].map(|side| screen.at_read[side][feature] * units[feature]),
            attribution: screen.attribution[feature],
            effects: effects.collect(),
        }
    });
    let mut features: Vec<FeatureEffect> = figures.collect();
    let random = features.split_off(top.len());
    let size = |features: &[FeatureEffect], change: usize| {
        let sizes = features
            .iter()
            .map(|it| it.effects[change].held_out.mean.abs());
        mean(&sizes.collect::<Vec<_>>())
    };
    let sizes = |features: &[FeatureEffect]| -> Vec<f64> {
        let changes = 0..question.changes.len();
        let some = changes.filter(|_| !features.is_empty());
        some.map(|change| size(features, change)).collect()
    };
    let corrupt: Vec<Example> = task.held_out.iter().map(Example::swapped).collect();
    Ok(EffectsReport {
        examples_discovery: task.discovery.len(),
        examples: task.held_out.len(),
        metric_clean: mean(&on_held_out.clean),
        metric_corrupt: mean(&transformer.clean_metric(&corrupt, task.metric, observer)?),
        variance_explained: screen.variance_explained(),
        active: screen.active.iter().filter(|&&rows| rows > 0).count(),
        changes: question.changes.iter().map(ToString::to_string).collect(),
        mean_size: [sizes(&features), sizes(&random)],
        written: written(
            transformer,
            placed,
            (&features, &usual),
            (task, question),
            observer,
        )?,
        features,
        random,
    })
}

/// Changes of the metric on some prompts.
struct Measured {
    /// The metric as it is.
    clean: Vec<f64>,
    /// `[features][changes][examples]`.
    effects: Vec<Vec<Vec<f64>>>,
}

fn measured<T: Real>(
    transformer: &Transformer<'_, T>,
    (dictionary, site): Placed<'_, T>,
    (features, changes, places): (&[Usual], &[FeatureChange], Places),
    (examples, metric): (&[Example], Metric),
    (name, observer): (&str, &dyn Observer),
) -> Result<Measured> {
    phase(observer, name, (examples.len() * features.len()) as u64);
    let mut clean = Vec::with_capacity(examples.len());
    let mut effects = vec![vec![Vec::with_capacity(examples.len()); changes.len()]; features.len()];
    let mut done = 0;
    let beside = 2 * dictionary.features + 4 * dictionary.width;
    for group in transformer.groups_beside(examples, false, beside) {
        let ready = Resumable::new(transformer, group, places.at)?;
        let before = ready.metric(metric)?;
        let (rows, found) = ready.representation(site.0, site.1);
        let which = found.rows(places.at, places.skip_first);
        let codes = dictionary.encode(&dictionary.scaled(rows));
        for (usual, effects) in features.iter().zip(&mut effects) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            for (&change, effects) in changes.iter().zip(effects) {
                let rows = changed(dictionary, (rows, &codes), &which, (change, usual));
                let after = match rows {
                    Some(rows) => ready.replaced(metric, site, &[rows])?.swap_remove(0),
                    None => before.clone(),
                };
                effects.extend(
                    after
                        .iter()
                        .zip(&before)
                        .map(|(after, before)| after - before),
                );
            }
            done += group.len();
            observer.event(Event::Step {
                done: done as u64,
                note: String::new(),
            });
        }
        clean.extend(before);
    }
    Ok(Measured { clean, effects })
}

/// Text with the features of the largest effect, by the first change on discovery prompts.
fn written<T: Real>(
    transformer: &Transformer<'_, T>,
    (dictionary, site): Placed<'_, T>,
    (features, usual): (&[FeatureEffect], &[Usual]),
    (task, question): (&FeatureTask<'_>, &FeatureEffects),
    observer: &dyn Observer,
) -> Result<Vec<SteeredSamples>> {
    let few = &task.held_out[..question.samples.min(task.held_out.len())];
    if few.is_empty() || question.tokens == 0 {
        return Ok(Vec::new());
    }
    let size = |index: &usize| features[*index].effects[0].discovery.abs();
    let mut order: Vec<usize> = (0..features.len()).collect();
    order.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.cmp(b)));
    order.truncate(question.written);
    phase(observer, "text with features added", order.len() as u64);
    let writing = Writing {
        tokenizer: task.tokenizer,
        tokens: question.tokens,
        stop: task.stop,
    };
    let mut found = Vec::with_capacity(order.len());
    for index in order {
        let change = (FeatureChange::Add(question.strength), usual[index]);
        let places = task.places(question);
        let steering = Steering::rewriting(rewriting(dictionary, site, places, change));
        found.push(SteeredSamples {
            feature: usual[index].feature,
            strength: question.strength,
            samples: samples(transformer, few, writing, &steering, observer)?,
        });
        observer.event(Event::Step {
            done: found.len() as u64,
            note: String::new(),
        });
    }
    Ok(found)
}
