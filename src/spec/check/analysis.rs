//! The checks of specs that ask another question than that for a circuit.

use std::path::Path;

use super::{Check, MAX_BASELINES};
use crate::analyze::{Analysis, Lens, Neurons, Residual, Sae, Shared};
use crate::error::SpecMistake;
use crate::spec::position::{KeyPath, has_key};
use crate::spec::{AnalysisSpec, Precision};
use crate::task::TaskSource;

/// All mistakes of an analysis spec whose syntax and types are right, in the order of the text.
pub(in crate::spec) fn analysis_mistakes(
    spec: &AnalysisSpec,
    text: &str,
    file: &Path,
) -> Vec<SpecMistake> {
    let mut check = Check::new(text, file);
    check.format_and_name(spec.format, &spec.name);
    check.models(&spec.models);
    match (&spec.task, &spec.analysis) {
        (task, Analysis::Lens(Lens { texts, .. }) | Analysis::Residual(Residual { texts, .. })) => {
            check.task_or_texts(task.as_ref(), texts);
        }
        (Some(_), Analysis::Neurons(Neurons { sets: Some(_), .. })) => {
            check.require(false, "task", || {
                "the prompts are those of `sets`, which needs no task; leave one of them out".into()
            });
        }
        (Some(_), Analysis::Prompt(_)) => check.require(false, "task", || {
            "the question is about one prompt and needs no task; leave it out".into()
        }),
        (Some(_), Analysis::Relation(_)) => check.require(false, "task", || {
            "a relation has its prompts in `data` and needs no task; leave it out".into()
        }),
        (Some(task), _) => check.task(task),
        (
            None,
            Analysis::Attention(_)
            | Analysis::Patchscope(_)
            | Analysis::Prompt(_)
            | Analysis::Sae(_)
            | Analysis::Neurons(Neurons { sets: Some(_), .. }),
        ) => {}
        (None, Analysis::Relation(_)) => {
            check.require(spec.held_out > 0.0, "held_out", || {
                "expected more than 0: a relation is judged on held-out subjects".into()
            });
        }
        (None, _) => check.require(false, "task", || {
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
    for key in Shared::ALL {
        if has_key(text, key.key())
            && let Some(problem) = spec.analysis.ignores(key, spec.task.is_some())
        {
            check.require(false, key.key(), || problem);
        }
    }
    if let Some(task) = spec.analysis.other_task() {
        check.task_at("analysis.Vector.add_to", task);
    }
    for (key, path) in spec.analysis.files() {
        check.data_file(key, &path);
    }
    let owned = |found: Vec<(&'static str, String)>| -> Vec<(String, String)> {
        let found = found.into_iter();
        found
            .map(|(key, problem)| (key.to_owned(), problem))
            .collect()
    };
    let found = match &spec.analysis {
        Analysis::Attention(attention) => owned(attention.mistakes(spec.task.is_some())),
        Analysis::Edit(edit) => owned(edit.mistakes()),
        Analysis::FeatureCircuit(features) => features.mistakes(spec.metric),
        Analysis::Lens(lens) => owned(lens.mistakes(spec.held_out)),
        Analysis::Neurons(neurons) => owned(neurons.mistakes(spec.metric)),
        Analysis::Patchscope(patchscope) => owned(patchscope.mistakes(spec.task.is_some())),
        Analysis::Prompt(prompt) => owned(prompt.mistakes()),
        Analysis::Relation(relation) => owned(relation.mistakes()),
        Analysis::Residual(residual) => owned(residual.mistakes()),
        Analysis::Sae(sae) => {
            check.autoencoder(spec, sae);
            owned(sae.mistakes(spec.task.is_some().then_some(spec.metric)))
        }
        Analysis::Tracing(tracing) => owned(tracing.mistakes()),
        Analysis::Vector(vector) => owned(vector.mistakes(spec.metric)),
    };
    for (key, problem) in found {
        check.add(&KeyPath::new(&key), problem);
    }
    check.in_order()
}

impl Check<'_> {
    fn autoencoder(&mut self, spec: &AnalysisSpec, sae: &Sae) {
        let trained = sae.load.is_none();
        self.require(spec.held_out > 0.0 || !trained, "held_out", || {
            "expected more than 0: figures of an autoencoder are of held-out text".into()
        });
        self.require(spec.precision == Precision::F32, "precision", || {
            "expected F32: autoencoders are of single precision".into()
        });
    }

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
