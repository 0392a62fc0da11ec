//! How a job of a batch ended, as tables and JSON show it.

use std::path::PathBuf;

use secateur::Error;
use secateur::run::{Job, JobCompletion, JobReport, Summary};
use secateur::spec::Spec;

/// A job that ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) spec: String,
    pub(crate) model: String,
    pub(crate) folder: PathBuf,
    /// Whether it was to find a circuit, not to answer another question.
    pub(crate) is_circuit: bool,
    /// In a word or two.
    pub(crate) status: &'static str,
    pub(crate) seconds: f64,
    pub(crate) found: Option<Summary>,
}

impl Ended {
    /// How the job of a report ended.
    pub(crate) fn of(report: &JobReport) -> Self {
        Self {
            status: status(report),
            seconds: report.seconds,
            found: report.result.as_ref().ok().map(|it| it.summary().clone()),
            ..Self::interrupted(&report.job)
        }
    }

    /// A job that a signal stopped.
    pub(crate) fn interrupted(job: &Job) -> Self {
        Self {
            spec: job.spec.spec.name().to_owned(),
            model: job.model_name.clone(),
            folder: job.folder.clone(),
            is_circuit: matches!(job.spec.spec, Spec::Circuit(_)),
            status: "interrupted",
            seconds: 0.0,
            found: None,
        }
    }
}

fn status(report: &JobReport) -> &'static str {
    match &report.result {
        Ok(finish) if !finish.summary().target_reached() => "target missed",
        Ok(finish) if finish.summary().below_target() => "below target",
        Ok(JobCompletion::Done(_)) => "done",
        Ok(JobCompletion::Skipped(_)) => "already done",
        Err(Error::Interrupted) => "interrupted",
        Err(_) => "failed",
    }
}
