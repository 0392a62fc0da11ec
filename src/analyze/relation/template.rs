//! Which template is taken, and which subjects the model answers correctly.

use super::known::SubjectRuns;
use super::run::RelationTask;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::evaluate::Share;
use crate::events::{Event, Observer, phase};
use crate::model::Real;
use crate::task::{RelationPrompts, SubjectPrompt};

/// Subjects by number, with their prompts.
pub(super) struct Selected {
    pub numbers: Vec<usize>,
    pub prompts: Vec<SubjectPrompt>,
}

impl Selected {
    pub(super) fn new(prompts: &RelationPrompts, numbers: &[usize]) -> Self {
        Self {
            numbers: numbers.to_vec(),
            prompts: numbers
                .iter()
                .map(|&it| prompts.prompts[it].clone())
                .collect(),
        }
    }
}

/// Whether the model says the object of each of some subjects, by number.
pub(super) fn answers_correctly<T: Real>(
    transformer: &Transformer<'_, T>,
    prompts: &RelationPrompts,
    numbers: &[usize],
) -> Result<Vec<(usize, bool)>> {
    let selected = Selected::new(prompts, numbers);
    let said = SubjectRuns::new(transformer, &selected.prompts)?.said;
    let pairs = numbers.iter().zip(said);
    Ok(pairs
        .map(|(&number, said)| (number, prompts.answers[number].contains(&said)))
        .collect())
}

/// A template with the discovery subjects that the model answers correctly, and what it says of them all.
pub(super) type Chosen<'t> = (&'t RelationPrompts, Vec<(usize, bool)>, Vec<u32>);

/// The template by which the model answers correctly most discovery subjects; the first of several.
pub(super) fn template<'t, T: Real>(
    transformer: &Transformer<'_, T>,
    task: &RelationTask<'t>,
    observer: &dyn Observer,
) -> Result<Chosen<'t>> {
    phase(
        observer,
        "subjects that the model answers",
        task.templates.len() as u64,
    );
    let mut best: Option<(usize, Chosen<'t>)> = None;
    for (index, prompts) in task.templates.iter().enumerate() {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let numbers = &task.split.discovery;
        let selected = Selected::new(prompts, numbers);
        let said = SubjectRuns::new(transformer, &selected.prompts)?.said;
        let answers_correctly = numbers.iter().zip(&said);
        let answers_correctly =
            answers_correctly.map(|(&it, said)| (it, prompts.answers[it].contains(said)));
        let answers_correctly: Vec<(usize, bool)> = answers_correctly.collect();
        let count = answers_correctly.iter().filter(|it| it.1).count();
        if best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, (prompts, answers_correctly, said)));
        }
        observer.event(Event::Step {
            done: index as u64 + 1,
            note: String::new(),
        });
    }
    let best = best.map(|(_, chosen)| chosen);
    best.ok_or_else(|| Error::Bug("a relation without templates".into()))
}

/// Refuses a relation of which the model answers correctly too little.
pub(super) fn enough(name: &str, discovery: Share, held_out: Share) -> Result<()> {
    if discovery.count >= 2 && held_out.count >= 1 {
        return Ok(());
    }
    Err(Error::data(
        name,
        format!(
            "the model answers correctly for {} of {} discovery subjects and {} of {} held-out ones; at least 2 and 1 are \
             needed: try another template, more subjects, other `shots`, or a model that knows the relation",
            discovery.count, discovery.of, held_out.count, held_out.of
        ),
    ))
}
