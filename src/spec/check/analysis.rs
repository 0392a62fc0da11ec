//! The checks of specs that ask another question than that for a circuit.

use std::path::Path;

use super::{Check, MAX_BASELINES};
use crate::analyze::{PromptSource, Shared};
use crate::error::SpecMistake;
use crate::spec::AnalysisSpec;
use crate::spec::position::{KeyPath, has_key};
use crate::task::TaskSource;

/// All mistakes of an analysis spec whose syntax and types are right, in the order of the text.
pub(in crate::spec) fn analysis_mistakes(
    spec: &AnalysisSpec,
    text: &str,
    file: &Path,
) -> Vec<SpecMistake> {
    let given = Shared::ALL.into_iter();
    let given: Vec<Shared> = given.filter(|key| has_key(text, key.key())).collect();
    mistakes(spec, &given, Check::new(text, file))
}

/// All mistakes of an analysis spec that has no text, without places in it; `given` are the shared keys that somebody asked for,
/// and paths are relative to the folder of `file`.
pub fn check_analysis(spec: &AnalysisSpec, given: &[Shared], file: &Path) -> Vec<SpecMistake> {
    let mut found = mistakes(spec, given, Check::new("", file));
    for mistake in &mut found {
        (mistake.line, mistake.column) = (0, 0);
    }
    found
}

fn mistakes(spec: &AnalysisSpec, given: &[Shared], mut check: Check<'_>) -> Vec<SpecMistake> {
    check.format_and_name(spec.format, &spec.name);
    check.models(&spec.models);
    match (&spec.task, spec.analysis.prompts()) {
        (task, PromptSource::TaskOrTexts(texts)) => check.task_or_texts(task.as_ref(), texts),
        (Some(_), PromptSource::Own(why)) => check.require(false, "task", || why.into()),
        (Some(task), _) => check.task(task),
        (None, PromptSource::OptionalTask | PromptSource::Own(_)) => {}
        (None, PromptSource::Task) => check.require(false, "task", || {
            "missing: the clean prompts of a task show the behaviour, the corrupt ones do not"
                .into()
        }),
    }
    check.require((0.0..1.0).contains(&spec.held_out), "held_out", || {
        format!(
            "expected at least 0 and less than 1, got {:?}",
            spec.held_out
        )
    });
    check.at_most("random_baselines", spec.random_baselines, MAX_BASELINES);
    check.bootstrap("bootstrap", spec.bootstrap);
    for &key in given {
        if let Some(problem) = spec.analysis.ignores(key, spec.task.is_some()) {
            check.require(false, key.key(), || problem);
        }
    }
    if let Some((key, task)) = spec.analysis.other_task() {
        check.task_at(key, task);
    }
    for (key, path) in spec.analysis.inputs() {
        check.data_file(key, &path);
    }
    for (key, problem) in spec.analysis.mistakes(&spec.shared()) {
        check.add(&KeyPath::new(&key), problem);
    }
    check.in_order()
}

impl Check<'_> {
    /// Of what looks at the prompts of a task, or at texts.
    fn task_or_texts(&mut self, task: Option<&TaskSource>, texts: &[String]) {
        self.require(task.is_some() || !texts.is_empty(), "task", || {
            "missing: expected a task whose prompts are looked at, or `texts` in the analysis"
                .into()
        });
        self.require(task.is_none() || texts.is_empty(), "task", || {
            "the prompts of a task are looked at, or `texts`; leave one of them out".into()
        });
        if let Some(task) = task {
            self.task(task);
        }
    }
}
