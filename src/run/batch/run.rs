//! Batches: every job of every spec, several at a time, none stopping the others.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::job::{JobCompletion, JobOptions, run_job, without_panic};
use super::memory::Watch;
use super::models::SharedModel;
use super::plan::Job;
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::model::LoadedModel;
use crate::setting::Stopwatch;
use crate::spec::model_key;

/// How a batch runs.
#[derive(Debug, Clone, Default)]
pub struct BatchOptions {
    /// Jobs at a time; 0 counts as 1.
    pub jobs: usize,
    /// Threads of all jobs together; 0 takes all cores.
    pub threads: usize,
    /// Bytes of memory of all jobs together, where it is bounded.
    pub memory: Option<u64>,
    /// Run jobs whose results are current.
    pub force: bool,
    /// The command line, for the records.
    pub command: Vec<String>,
}

/// Receives the progress of a batch; jobs are told apart by their index.
pub trait BatchObserver: Sync {
    /// A job begins.
    fn started(&self, index: usize, job: &Job);

    /// Something happened in a job.
    fn event(&self, index: usize, event: Event);

    /// A job ended.
    fn finished(&self, index: usize, report: &JobReport);

    /// True when the batch should stop at the next safe point.
    fn interrupted(&self) -> bool {
        false
    }
}

/// How a job ended.
#[derive(Debug)]
pub struct JobReport {
    /// The job.
    pub job: Job,
    /// Its figures, or why there are none.
    pub result: Result<JobCompletion>,
    /// Wall time, in seconds.
    pub seconds: f64,
}

/// Runs jobs and reports on each, in the order given. Jobs of one model run one after the other, so that it is
/// loaded once.
///
/// # Errors
/// When no threads can be had; mistakes of jobs are in their reports.
///
/// # Example
/// ```
/// use std::path::Path;
///
/// use secateur::events::Event;
/// use secateur::run::{BatchObserver, BatchOptions, Job, JobReport, plan, run_batch};
/// use secateur::spec::{SpecFile, check_any_spec};
///
/// struct Nobody;
///
/// impl BatchObserver for Nobody {
///     fn started(&self, _: usize, _: &Job) {}
///     fn event(&self, _: usize, _: Event) {}
///     fn finished(&self, _: usize, _: &JobReport) {}
/// }
///
/// let text = r#"(format: 1, name: "facts", models: ["builtin:toy-llama"], task: Agreement(pairs: 8), analysis: Tracing(samples: 1))"#;
/// let path = Path::new("facts.ron");
/// let spec = SpecFile { spec: check_any_spec(text.as_bytes(), path)?, path: path.to_owned() };
/// let out = tempfile::tempdir()?;
/// let options = BatchOptions { jobs: 1, threads: 0, memory: None, force: false, command: Vec::new() };
/// let reports = run_batch(&plan(&[spec], out.path())?, &options, &Nobody)?;
/// assert!(reports[0].result.is_ok());
/// assert!(out.path().join("facts/toy-llama/report.json").is_file());
/// # Ok::<(), secateur::Error>(())
/// ```
pub fn run_batch(
    jobs: &[Job],
    options: &BatchOptions,
    observer: &dyn BatchObserver,
) -> Result<Vec<JobReport>> {
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let workers = options.jobs.clamp(1, threads).min(jobs.len().max(1));
    let watch = Watch::start();
    let share = |bytes: u64| (bytes / workers as u64) as usize;
    let memory = options.memory.map(share);
    let queue = Queue::new(jobs);
    let slots: Vec<Mutex<Option<JobReport>>> = jobs.iter().map(|_| Mutex::default()).collect();
    let mut pools = Vec::new();
    for worker in 0..workers {
        // The threads that do not divide go to the first workers.
        let share = threads / workers + usize::from(worker < threads % workers);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(share).build();
        pools.push(pool.map_err(|error| Error::Usage(format!("{share} threads: {error}")))?);
    }
    std::thread::scope(|scope| {
        for pool in &pools {
            scope.spawn(|| {
                let job_options = JobOptions {
                    force: options.force,
                    threads: pool.current_num_threads(),
                    memory,
                    watch: &watch,
                    command: &options.command,
                };
                let mut worker = Worker {
                    pool,
                    options: job_options,
                    held: None,
                };
                while let Some((index, model)) = queue.next() {
                    observer.started(index, &jobs[index]);
                    let report = worker.run(index, &jobs[index], model, observer);
                    observer.finished(index, &report);
                    *slots[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                }
            });
        }
    });
    let reports = slots.into_iter().map(|slot| {
        let slot = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        slot.ok_or_else(|| Error::Bug("a job has no report".into()))
    });
    reports.collect()
}

/// Jobs in the order they run: grouped by model, groups and jobs in the order given.
struct Queue {
    order: Vec<(usize, Arc<SharedModel>)>,
    next: AtomicUsize,
}

impl Queue {
    fn new(jobs: &[Job]) -> Self {
        let mut groups: Vec<(PathBuf, Vec<usize>)> = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let key = model_key(&job.model, job.spec.base());
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, group)) => group.push(index),
                None => groups.push((key, vec![index])),
            }
        }
        let order = groups.into_iter().flat_map(|(_, group)| {
            let model = Arc::new(SharedModel::default());
            group
                .into_iter()
                .map(move |index| (index, Arc::clone(&model)))
        });
        Self {
            order: order.collect(),
            next: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> Option<(usize, &Arc<SharedModel>)> {
        let (index, model) = self.order.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        Some((*index, model))
    }
}

/// One of the threads that take jobs, with the model of its latest job.
struct Worker<'a> {
    pool: &'a rayon::ThreadPool,
    options: JobOptions<'a>,
    held: Option<(Arc<SharedModel>, Arc<LoadedModel>)>,
}

impl Worker<'_> {
    fn run(
        &mut self,
        index: usize,
        job: &Job,
        model: &Arc<SharedModel>,
        observer: &dyn BatchObserver,
    ) -> JobReport {
        let clock = Stopwatch::start();
        let result = if observer.interrupted() {
            Err(Error::Interrupted)
        } else {
            let pool = self.pool;
            without_panic(|| pool.install(|| self.run_in_pool(index, job, model, observer)))
        };
        JobReport {
            job: job.clone(),
            result,
            seconds: clock.seconds(),
        }
    }

    fn run_in_pool(
        &mut self,
        index: usize,
        job: &Job,
        shared: &Arc<SharedModel>,
        observer: &dyn BatchObserver,
    ) -> Result<JobCompletion> {
        let one = OneJob { index, observer };
        // The last job's model goes before another is loaded, so that memory never holds both.
        let model = match self.held.take() {
            Some((held, model))
                if Arc::ptr_eq(&held, shared) && model.check_unchanged().is_ok() =>
            {
                model
            }
            _ => {
                crate::events::phase(&one, "loading the model", 0);
                shared.get(&job.model, job.spec.base(), self.options.memory)?
            }
        };
        self.held = Some((Arc::clone(shared), Arc::clone(&model)));
        run_job(job, &model, &self.options, &one)
    }
}

/// The observer of one job of a batch.
struct OneJob<'a> {
    index: usize,
    observer: &'a dyn BatchObserver,
}

impl Observer for OneJob<'_> {
    fn event(&self, event: Event) {
        self.observer.event(self.index, event);
    }

    fn interrupted(&self) -> bool {
        self.observer.interrupted()
    }
}

/// The exit code of a batch: the first that applies of 130 interrupted, 1 bug, 3 model or data unusable, 2 bad
/// arguments or spec, 4 target not reached, 0. Where it is `strict`, held-out prompts below the target count as not reached.
pub fn exit_code<'a>(
    errors: impl IntoIterator<Item = &'a Error>,
    reports: &'a [JobReport],
    strict: bool,
) -> u8 {
    let failed = reports
        .iter()
        .filter_map(|report| report.result.as_ref().err());
    let codes: Vec<u8> = errors
        .into_iter()
        .chain(failed)
        .map(Error::exit_code)
        .collect();
    let missed = reports.iter().any(|report| {
        let finish = report.result.as_ref().ok();
        finish.is_some_and(|finish| {
            let summary = finish.summary();
            !summary.target_reached() || strict && summary.below_target()
        })
    });
    let first = [130, 1, 3, 2].into_iter().find(|code| codes.contains(code));
    first.unwrap_or(if missed { 4 } else { 0 })
}
