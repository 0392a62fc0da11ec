//! The analysis of edits from prompts to its report.

use super::change::{Change, Directions, SwapPrompt};
use super::judge::{mean_of, outcome, values};
use super::parameters::Edit;
use super::report::{EditReport, EditSweepPoint, SwapScores};
use super::sweep::{Answered, Changing};
use crate::analyze::layers_asked;
use crate::analyze::random::random_vectors;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::{Event, Observer, phase};
use crate::model::{Real, Tokenizer};

/// Most single answers that are kept.
const MOST_ANSWERS: usize = 10_000_000;

/// The prompts and figures that an analysis of edits works with.
#[derive(Clone, Copy)]
pub struct EditTask<'t> {
    /// Items by which layer and strength are chosen.
    pub discovery: &'t [SwapPrompt],
    /// Items that judge.
    pub held_out: &'t [SwapPrompt],
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// Random directions to compare with.
    pub random_baselines: usize,
    /// Text that has nothing to do with the items.
    pub text: &'t [Vec<u32>],
    /// The tokenizer, for text.
    pub tokenizer: Option<&'t Tokenizer>,
}

/// Swaps tokens' directions after every layer, or after all at once, chooses the best, and judges it on held-out prompts.
///
/// # Errors
/// When a layer does not exist, a number is not finite, or the observer interrupts.
///
/// # Complexity
/// For each layer and strength a forward pass of the positions from the first place on, from the layer on, over both splits;
/// then about as many over the held-out items as there are random baselines, and the text a few times.
pub fn edit<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &EditTask<'_>,
    question: &Edit,
    observer: &dyn Observer,
) -> Result<EditReport> {
    let layers = layers_asked(transformer.heads().n_layers, &question.layers)?;
    let sets: Vec<Vec<usize>> = if question.all_at_once {
        vec![layers]
    } else {
        layers.into_iter().map(|layer| vec![layer]).collect()
    };
    let answers = (task.discovery.len() + task.held_out.len())
        .saturating_mul(sets.len() * question.strengths.len());
    if answers > MOST_ANSWERS {
        return Err(Error::Usage(format!(
            "{answers} runs are too many; take fewer prompts, layers or strengths, so that their product is at most \
             {MOST_ANSWERS}"
        )));
    }
    let places = [task.discovery, task.held_out].into_iter().flatten();
    let places = places.flat_map(|it| &it.places);
    let tokens = places.flat_map(|place| [place.original, place.replacement]);
    let directions = Directions::new(transformer, question.vector, tokens);
    let changing = Changing {
        transformer,
        observer,
    };
    let candidates = sets.iter().flat_map(|layers| {
        question.strengths.iter().map(|&strength| Change {
            directions: &directions,
            layers,
            scale: question.scale,
            strength,
            instead: None,
        })
    });
    let candidates: Vec<Change<'_>> = candidates.collect();
    let on_discovery = changing.answers(task.discovery, &candidates, "layers and strengths")?;
    let name = "layers and strengths, held out";
    let on_held_out = changing.answers(task.held_out, &candidates, name)?;
    let best = chosen(&candidates, &on_discovery)?;
    let change = candidates[best];

    phase(observer, "held-out prompts", 0);
    let shown = (question.listed, question.top);
    let compared = changing.compared(task.held_out, change, shown, task.tokenizer)?;
    let width = transformer.heads().d_model;
    let random = random_vectors(task.random_baselines.max(1), width, 1.0);
    let instead: Vec<Change<'_>> = random
        .iter()
        .map(|unit| {
            let instead = Some(&unit[..]);
            Change { instead, ..change }
        })
        .collect();
    let baselines = &instead[..task.random_baselines];
    let random = changing.answers(task.held_out, baselines, "random directions")?;
    let random: Vec<SwapScores> = random
        .iter()
        .map(|it| outcome(it, task.bootstrap))
        .collect();
    let kl_random = match baselines.first() {
        Some(&first) => Some(changing.compared(task.held_out, first, (0, 0), None)?.kl),
        None => None,
    };
    let effect = |values: &[f64]| Effect::of(values, task.bootstrap);
    let both = [change, instead[0]];
    let mut warnings = Vec::new();
    if let Some(warning) = unlikely_original(&compared.before) {
        observer.event(Event::Warning(warning.clone()));
        warnings.push(warning);
    }
    Ok(EditReport {
        examples_discovery: task.discovery.len(),
        examples: task.held_out.len(),
        layers: change.layers.to_vec(),
        strength: change.strength,
        size: effect(&values(&on_held_out[best], |it| it.size)),
        before: outcome(&compared.before, task.bootstrap),
        after: outcome(&on_held_out[best], task.bootstrap),
        random,
        kl: effect(&compared.kl),
        kl_random: kl_random.as_deref().map(effect),
        other_prompts: changing.other_prompts(task.held_out, both, task.bootstrap)?,
        text: changing.text(task.text, task.held_out, both)?,
        sweep: candidates
            .iter()
            .zip(on_discovery.iter().zip(&on_held_out))
            .map(|(change, (discovery, held_out))| EditSweepPoint {
                layers: change.layers.to_vec(),
                strength: change.strength,
                discovery: mean_of(discovery, |it| it.success),
                success: Effect::share(&values(held_out, |it| it.success)),
                original: mean_of(held_out, |it| it.original),
                replacement: mean_of(held_out, |it| it.replacement),
                size: mean_of(held_out, |it| it.size),
            })
            .collect(),
        items: compared.listed,
        warnings,
    })
}

/// A warning if most unchanged prompts do not predict what is to be replaced.
fn unlikely_original(before: &[Answered]) -> Option<String> {
    let share = mean_of(before, |it| f64::from(it.original > it.replacement));
    (share < 0.5).then(|| {
        format!(
            "only {:.0} % of the held-out prompts give the original token a higher probability than the replacement token",
            100.0 * share
        )
    })
}

/// The candidate with the most success; of equal ones the least strong, then the one with the higher probability of the
/// token that replaces it, then the first.
fn chosen(candidates: &[Change<'_>], answers: &[Vec<Answered>]) -> Result<usize> {
    let key = |&index: &usize| {
        let answers = &answers[index];
        let strength = candidates[index].strength;
        (
            mean_of(answers, |it| it.success),
            -strength,
            mean_of(answers, |it| it.replacement),
        )
    };
    let order = |a: &usize, b: &usize| {
        let (one, other) = (key(a), key(b));
        let success = one.0.total_cmp(&other.0);
        let strength = one.1.total_cmp(&other.1);
        success.then(strength).then(one.2.total_cmp(&other.2))
    };
    let candidates = (0..candidates.len()).rev();
    let best = candidates.max_by(order);
    best.ok_or_else(|| Error::Bug("a sweep of nothing".into()))
}
