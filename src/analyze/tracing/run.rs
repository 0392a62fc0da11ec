//! Causal tracing from prompts to its report.

use super::effects::{ItemEffects, Tracer};
use super::item::TraceItem;
use super::parameters::Tracing;
use super::places::{Places, TracedPrompt};
use super::report::{TracePart, TracedItem, TracingReport};
use crate::analyze::{layers_asked, text_of};
use crate::engine::{Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::evaluate::Gap;
use crate::events::{Event, Observer, phase};
use crate::model::{Real, Tokenizer};

/// Share of the answers' probability that noise has to take before there is something to bring back.
const LEAST_LOSS: f64 = 0.1;
/// Prompts whose effects are listed one by one.
const LISTED: usize = 50;

/// The prompts and figures that causal tracing works with.
#[derive(Clone, Copy)]
pub struct TracingTask<'t> {
    /// Prompts by which sites are chosen.
    pub discovery: &'t [TraceItem],
    /// Prompts that judge them.
    pub held_out: &'t [TraceItem],
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Number of random directions to compare with.
    pub random_baselines: usize,
    /// The tokenizer, for text.
    pub tokenizer: Option<&'t Tokenizer>,
}

/// Traces the subjects of the prompts that the model answers.
///
/// # Errors
/// When it answers none, a layer does not exist, a number is not finite, or the observer interrupts.
///
/// # Complexity
/// For each prompt, sample of noise, layer and position from the subject on, a forward pass of the positions from there on,
/// from the layer on; with a window three times that.
pub fn trace<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &TracingTask<'_>,
    question: &Tracing,
    observer: &dyn Observer,
) -> Result<TracingReport> {
    let layers = layers_asked(transformer.heads().n_layers, &question.layers)?;
    let all: Vec<&TraceItem> = task.discovery.iter().chain(task.held_out).collect();
    let tracer = Tracer {
        transformer,
        question,
        layers: &layers,
        sigma: question.noise * deviation(transformer, &all),
        observer,
    };
    phase(observer, "prompts traced", all.len() as u64);
    let mut known: Vec<TracedPrompt<'_>> = Vec::new();
    for (index, item) in all.iter().enumerate() {
        if tracer.answers_correctly(item)? {
            known.push((index, item, tracer.effects(index, item)?));
        }
        observer.event(Event::Step {
            done: index as u64 + 1,
            note: format!("{} answered", known.len()),
        });
    }
    let mut warnings = Vec::new();
    if known.is_empty() {
        let problem = "the model answers none of them, so there is nothing to trace";
        return Err(Error::data("the prompts", problem));
    }
    let (mut choosing, mut judging): (Vec<&TracedPrompt<'_>>, Vec<&TracedPrompt<'_>>) = known
        .iter()
        .partition(|(index, ..)| *index < task.discovery.len());
    if choosing.is_empty() || judging.is_empty() {
        let warning = if task.held_out.is_empty() {
            "held_out is 0: the effects are on the prompts on which the sites were chosen"
        } else {
            "the model answers prompts of one split only: sites are chosen and evaluated on the same prompts"
        };
        observer.event(Event::Warning(warning.into()));
        warnings.push(warning.into());
        choosing = known.iter().collect();
        judging.clone_from(&choosing);
    }
    let places = Places {
        known: &known,
        choosing: &choosing,
        judging: &judging,
        layers: &layers,
        bootstrap: task.bootstrap,
        random: task.random_baselines,
    };
    let mut peaks = Vec::new();
    let mut cells = Vec::new();
    for (index, &part) in TracePart::all(question.window).iter().enumerate() {
        cells.extend(places.cells(index, part));
        peaks.extend(places.peak(index, part, &tracer)?);
    }
    let values = |of: fn(&ItemEffects) -> f64| -> Vec<f64> {
        known.iter().map(|(_, _, effects)| of(effects)).collect()
    };
    let over = |of: fn(&ItemEffects) -> f64| Effect::of(&values(of), task.bootstrap);
    let listed = known
        .iter()
        .take(LISTED)
        .map(|(_, item, found)| TracedItem {
            tokens: item.tokens[item.subject.start..]
                .iter()
                .map(|&token| text_of(task.tokenizer, &[token]))
                .collect(),
            subject: item.subject.len(),
            clean: found.clean,
            noised: found.noised,
            effects: found.effects[0].clone(),
        });
    let doubt = noise_doubt(&values(|it| it.clean), &values(|it| it.noised));
    if let Some(warning) = doubt {
        observer.event(Event::Warning(warning.clone()));
        warnings.push(warning);
    }
    Ok(TracingReport {
        examples_discovery: choosing.len(),
        examples: judging.len(),
        examples_unknown: all.len() - known.len(),
        unanswered: (0..all.len())
            .filter(|number| known.iter().all(|(known, ..)| known != number))
            .collect(),
        sigma: tracer.sigma,
        clean: over(|it| it.clean),
        noised: over(|it| it.noised),
        peaks,
        cells,
        layers: layers.clone(),
        items: listed.collect(),
        warnings,
    })
}

/// Says that the noise leaves the answers as they are, so that there is nothing to bring back.
fn noise_doubt(clean: &[f64], noised: &[f64]) -> Option<String> {
    let gap = Gap {
        with: ("the prompts", clean),
        without: ("the prompts with noise", noised),
        paired: true,
    };
    let [before, after] = [mean(clean), mean(noised)];
    let hardly = before - after < LEAST_LOSS * before;
    (hardly || gap.doubt("what is restored").is_some()).then(|| {
        format!(
            "the probability of the answers is {before:.3}, and with noise {after:.3}: what restoring a site recovers means \
             nothing"
        )
    })
}

/// Standard deviation of all numbers in the embeddings of the subjects' tokens.
fn deviation<T: Real>(transformer: &Transformer<'_, T>, items: &[&TraceItem]) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for item in items {
        let tokens = item.tokens[item.subject.clone()].iter().copied();
        for value in transformer.embed(tokens) {
            let value = value.to_f64();
            count += 1.0;
            sum += value;
            squares += value * value;
        }
    }
    let mean = sum / count;
    (squares / count - mean * mean).max(0.0).sqrt()
}
