//! The examples of a task for a model: within its memory, and such that they can be scored.

use std::path::Path;

use super::bound::Bound;
use super::slips;
use crate::engine::Donors;
use crate::error::Result;
use crate::events::Observer;
use crate::metric::Metric;
use crate::model::{LoadedModel, PrependBos};
use crate::task::{Dataset, Example, LoadRequest, Prompts, TaskSource};

/// The examples of a task for a model; what their writer may not mean is told.
///
/// # Errors
/// When they do not fit the model.
pub(crate) fn load_examples(
    (task, prompts): (&TaskSource, Prompts),
    prepend_bos: PrependBos,
    model: &LoadedModel,
    base: &Path,
    observer: &dyn Observer,
) -> Result<Dataset> {
    if !matches!(task, TaskSource::Tokens(_) | TaskSource::Induction(_)) {
        model.require_tokenizer()?;
    }
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos,
        prompts,
        base,
        observer,
    };
    check_rows(model, &task.label(), task.expected_bytes(&request)?)?;
    let dataset = task.load(&request)?;
    slips::tell(&dataset, model, observer)?;
    Ok(dataset)
}

/// Refuses rows that take more memory by themselves than work with a model may take.
///
/// # Errors
/// When they do.
pub(crate) fn check_rows(model: &LoadedModel, source: &str, expected: usize) -> Result<()> {
    let bound = Bound::new::<f32>(model, None, 0);
    bound.map_or(Ok(()), |bound| bound.check_rows(source, expected))
}

/// Why the metric or the ablation of a spec cannot be had of an example, and what to do.
pub(crate) fn misfit(metric: Metric, donors: Option<&Donors>, example: &Example) -> Option<String> {
    if metric.needs_wrong() && example.teacher_forced {
        return Some(format!(
            "the answer has several tokens, and metric {metric:?} compares answers of one token each; use metric: \
             Nll, Accuracy, Mrr or Kl"
        ));
    }
    if metric.needs_wrong() && example.wrong.is_empty() {
        return Some(format!(
            "metric {metric:?} needs wrong answers; add `wrong`"
        ));
    }
    if donors.is_some_and(|donors| donors.of(example).is_none()) {
        return Some(format!(
            "ablation Resample needs another prompt of {} tokens among the discovery examples, and there is none; use \
             more pairs, prompts of equal length, or ablation: Mean",
            example.clean.len()
        ));
    }
    None
}
