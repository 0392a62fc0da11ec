//! One job with files: skipped when its record says that nothing changed, otherwise run and written.

use std::collections::BTreeMap;

use fs_err as fs;

use super::commit::{Before, commit, tidy};
use super::lock::FolderLock;
use super::memory::Watch;
use super::plan::Job;
use super::provenance;
use super::question::{
    Places, refuse_blocked, refuse_other_question, refuse_unknown_files, why_again,
};
use super::record::{Inputs, RunEnvironment, RunRecord, Summary, content_hash};
use super::unchanged::DataFiles;
use crate::analyze::sae::checkpoint as sae_checkpoint;
use crate::contain::panic_message;
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::model::LoadedModel;
use crate::output::writing;
use crate::paths::{place, written};
use crate::run::analysis;
use crate::run::circuit;
use crate::run::circuit::unfinished;
use crate::setting::Listening;
use crate::setting::Stopwatch;
use crate::spec::{Spec, ron_line};

/// How a job that did not fail ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCompletion {
    /// It ran.
    Done(Summary),
    /// Its results were there already, from the same inputs.
    Skipped(Summary),
}

impl JobCompletion {
    /// The figures, old or new.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Done(summary) | Self::Skipped(summary) => summary,
        }
    }
}

/// What a job found.
pub(crate) struct Contents {
    /// All files of the result but the record, by name.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Seconds by part of the work, where they are known.
    pub(crate) seconds: BTreeMap<String, f64>,
    /// What the table at the end of a batch shows.
    pub(crate) summary: Summary,
}

/// What every job of a batch is told.
#[derive(Debug, Clone)]
pub(crate) struct JobOptions<'a> {
    /// Run even when the results are current.
    pub(crate) force: bool,
    /// Threads of this job.
    pub(crate) threads: usize,
    /// Bytes of memory that this job may take, where it is bounded.
    pub(crate) memory: Option<usize>,
    /// Knows the peak of anonymous memory.
    pub(crate) watch: &'a Watch,
    /// The command line, for the record.
    pub(crate) command: &'a [String],
}

/// Runs a job and writes its results, unless they are current.
///
/// # Errors
/// When the model or the data cannot be used, the disk refuses, or the observer interrupts.
pub(crate) fn run_job(
    job: &Job,
    model: &LoadedModel,
    options: &JobOptions<'_>,
    observer: &dyn Observer,
) -> Result<JobCompletion> {
    let clock = Stopwatch::start();
    let data_files = DataFiles::read(job)?;
    let inputs = inputs(job, model, &data_files);
    let places = Places::of(job);
    refuse_own_input(job)?;
    refuse_blocked(&job.folder)?;
    fs::create_dir_all(&job.folder)?;
    let current = || {
        let record = RunRecord::read(&job.folder).filter(|_| !options.force)?;
        record
            .is_current(&inputs, &job.folder)
            .then_some(JobCompletion::Skipped(record.summary))
    };
    // Without a lock, as such a folder may be read-only.
    if let Some(finish) = current() {
        tidy(&job.folder);
        return Ok(finish);
    }
    let _lock = FolderLock::wait(&job.folder, observer)?;
    // Whoever held it may have done the job.
    if let Some(finish) = current() {
        return Ok(finish);
    }
    let before = Before::read(&job.folder)?;
    if let Some(record) = before.record.as_ref().filter(|_| !options.force) {
        refuse_other_question(job, record, &inputs, &places)?;
        let why = why_again(record, &inputs, &job.folder);
        observer.event(Event::Notice(format!("computed again: {why}")));
    }
    if before.record.is_none() && !options.force {
        refuse_unknown_files(&job.folder, &before)?;
    }
    if options.force {
        sae_checkpoint::remove(&job.folder)?;
    }
    let listening = Listening::new(observer);
    for warning in &model.warnings {
        listening.event(Event::Warning(warning.clone()));
    }
    let Contents {
        files: contents,
        mut seconds,
        summary,
    } = {
        let found = match &job.spec.spec {
            Spec::Circuit(spec) => circuit::job::run(job, spec, model, &listening),
            Spec::Analysis(spec) => analysis::run(job, spec, model, &listening),
        };
        // Where a file changed meanwhile, that is the reason of any other failure too.
        model.check_unchanged()?;
        data_files.check_unchanged()?;
        found?
    };
    if seconds.is_empty() {
        seconds = listening.seconds();
    }
    let _writing = writing();
    let files = contents.iter();
    let record = RunRecord {
        inputs,
        spec: job.spec.spec.question(),
        files: files
            .map(|(name, bytes)| (name.clone(), content_hash(bytes)))
            .collect(),
        summary,
        circumstances: RunEnvironment {
            wall_seconds: clock.seconds(),
            seconds,
            peak_memory_bytes: provenance::peak_memory_bytes(),
            peak_anonymous_bytes: options.watch.peak(),
            host: provenance::host(),
            cpu: provenance::cpu(),
            threads: options.threads,
            date: provenance::date(),
            command: options.command.to_vec(),
            spec_file: written(&job.spec.path),
            model: job.model.clone(),
            model_identity: Some(model.identity.clone()),
            model_place: places.model,
            data_places: places.data,
        },
    };
    commit(&job.folder, &before, &contents, &record)?;
    sae_checkpoint::remove(&job.folder)?;
    unfinished::remove(&job.folder)?;
    Ok(JobCompletion::Done(record.summary))
}

/// Refuses to replace the folder that a job reads from, such as that of the dictionary that it loads.
fn refuse_own_input(job: &Job) -> Result<()> {
    let Ok(folder) = fs::canonicalize(&job.folder) else {
        return Ok(());
    };
    for file in job.spec.spec.data_files() {
        let file = place(job.spec.base(), file);
        if fs::canonicalize(&file).is_ok_and(|it| it.starts_with(&folder)) {
            return Err(Error::Usage(format!(
                "{} is read by {:?}, whose own result would take its place\nhint: another name or another --out",
                file.display(),
                job.spec.spec.name()
            )));
        }
    }
    Ok(())
}

fn inputs(job: &Job, model: &LoadedModel, data_files: &DataFiles) -> Inputs {
    let spec = &job.spec.spec;
    let outputs = match spec {
        Spec::Circuit(spec) => spec.outputs.iter().map(ron_line).collect(),
        Spec::Analysis(_) => Vec::new(),
    };
    let mut inputs = Inputs::new(spec.hash(), outputs, job.model_name.clone());
    inputs.model.clone_from(&model.hash);
    inputs.tokenizer.clone_from(&model.tokenizer_hash);
    inputs.data_file = data_files.hash();
    inputs
}

/// Runs `work` and turns a panic into [`Error::Bug`].
pub(crate) fn without_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // The state that `work` leaves behind after a panic is dropped, so nobody sees it half changed.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::Bug(panic_message(&*panic))))
}
