//! Progress on standard error: nested bars on a terminal, plain lines elsewhere, nothing when quiet.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use secateur::events::{Event, Observer, StopFlag};
use secateur::report::thousands;
use secateur::run::{BatchObserver, Job, JobCompletion, JobReport, Summary};

use crate::ended::Ended;
use crate::output;
use crate::table::{duration, figure};

/// Set by the signals that `supervise.rs` hears.
static STOP: StopFlag = StopFlag::new();

/// The bars on the terminal, to print above them.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Asks running work to stop at the next safe point.
pub(crate) fn stop() {
    STOP.set();
}

/// Whether running work was asked to stop.
pub(crate) fn is_stopping() -> bool {
    STOP.is_set()
}

/// Says that work stops.
pub(crate) fn say_stopping() {
    above_bars("stopping; finished jobs are kept");
}

/// Says that work was left in the middle.
pub(crate) fn say_interrupted() {
    above_bars(&output::error_text(&secateur::Error::Interrupted));
}

fn above_bars(line: &str) {
    match BARS.get() {
        Some(bars) => bars.suspend(|| output::message(line)),
        None => output::message(line),
    }
}

/// Lets work begin after other work was stopped.
pub(crate) fn go_on() {
    STOP.clear();
}

/// The progress of a batch.
#[derive(Debug)]
pub(crate) struct BatchUi {
    jobs: Vec<Job>,
    quiet: bool,
    bars: Option<Bars>,
    /// The jobs that have ended.
    ended: Mutex<BTreeMap<usize, Ended>>,
}

#[derive(Debug)]
struct Bars {
    multi: MultiProgress,
    batch: ProgressBar,
    jobs: Mutex<BTreeMap<usize, JobBars>>,
}

/// A job's own line and that of its current phase.
#[derive(Debug)]
struct JobBars {
    title: ProgressBar,
    phase: ProgressBar,
}

impl BatchUi {
    /// The progress of jobs.
    pub(crate) fn new(jobs: &[Job], quiet: bool) -> Arc<Self> {
        let bars = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let multi = BARS.get_or_init(MultiProgress::new).clone();
            let batch = multi.add(ProgressBar::new(jobs.len() as u64));
            batch.set_style(style("{bar:24} {pos}/{len} jobs, {elapsed}"));
            batch.enable_steady_tick(Duration::from_millis(200));
            Bars {
                multi,
                batch,
                jobs: Mutex::default(),
            }
        });
        Arc::new(Self {
            jobs: jobs.to_vec(),
            quiet,
            bars,
            ended: Mutex::default(),
        })
    }

    /// How the jobs ended, in order; those that have not are interrupted.
    pub(crate) fn left(&self) -> Vec<Ended> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = self.jobs.iter().enumerate();
        jobs.map(|(index, job)| {
            if let Some(ended) = ended.remove(&index) {
                return ended;
            }
            self.line(&format!("{}: interrupted", self.title(index, job)));
            Ended::interrupted(job)
        })
        .collect()
    }

    fn title(&self, index: usize, job: &Job) -> String {
        format!("[{}/{}] {}", index + 1, self.jobs.len(), job.title())
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        if let Some(bars) = &self.bars {
            bars.batch.finish_and_clear();
        }
    }

    /// One line, above the bars if there are any.
    fn line(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.multi.suspend(|| output::message(line)),
            None => output::message(line),
        }
    }
}

impl BatchObserver for BatchUi {
    fn started(&self, index: usize, job: &Job) {
        match &self.bars {
            Some(bars) => bars.start(index, job),
            None if self.quiet => {}
            None => output::message(&self.title(index, job)),
        }
    }

    fn event(&self, index: usize, event: Event) {
        if let Event::Notice(notice) = &event
            && !self.quiet
        {
            let title = self.title(index, &self.jobs[index]);
            self.line(&format!("{title}: {notice}"));
        }
        if let Some(bars) = &self.bars {
            bars.event(index, event);
        }
    }

    fn finished(&self, index: usize, report: &JobReport) {
        if let Some(bars) = &self.bars {
            bars.end(index);
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.insert(index, Ended::of(report));
        drop(ended);
        let title = self.title(index, &report.job);
        match &report.result {
            Ok(_) if self.quiet => {}
            Ok(finish) => {
                let summary = finish.summary();
                let how = match finish {
                    JobCompletion::Done(_) => format!("done in {}", duration(report.seconds)),
                    JobCompletion::Skipped(_) => "already done".into(),
                };
                let found = match summary {
                    Summary::Circuit(summary) => format!(
                        "{} of {} edges, faithfulness {}",
                        thousands(summary.edges_kept),
                        thousands(summary.edges_total),
                        figure(summary.faithfulness)
                    ),
                    Summary::Analysis(summary) => summary.finding.clone(),
                };
                self.line(&format!("{title}: {how}, {found}"));
                for warning in summary.warnings() {
                    self.line(&output::warning_text(&format!(
                        "{}: {warning}",
                        report.job.title()
                    )));
                }
            }
            Err(secateur::Error::Interrupted) => self.line(&format!("{title}: interrupted")),
            Err(error) => {
                self.line(&format!("{title}: failed"));
                self.line(&output::error_text(error));
            }
        }
    }

    fn interrupted(&self) -> bool {
        STOP.is_set()
    }
}

impl Bars {
    fn start(&self, index: usize, job: &Job) {
        let title = self.multi.add(ProgressBar::new_spinner());
        title.set_style(style("{spinner} {msg}, {elapsed}"));
        title.set_message(job.title());
        title.enable_steady_tick(Duration::from_millis(200));
        let phase = self.multi.add(ProgressBar::new_spinner());
        self.lock().insert(index, JobBars { title, phase });
    }

    fn event(&self, index: usize, event: Event) {
        if let Some(job) = self.lock().get(&index) {
            show(&job.phase, event);
        }
    }

    fn end(&self, index: usize) {
        if let Some(job) = self.lock().remove(&index) {
            job.phase.finish_and_clear();
            job.title.finish_and_clear();
        }
        self.batch.inc(1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, JobBars>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The progress of a single piece of work.
#[derive(Debug)]
pub(crate) struct SingleUi(ProgressBar);

impl SingleUi {
    pub(crate) fn new(quiet: bool) -> Self {
        Self(if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        })
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Observer for SingleUi {
    fn event(&self, event: Event) {
        show(&self.0, event);
    }

    fn interrupted(&self) -> bool {
        STOP.is_set()
    }
}

/// Shows an event on the bar of a phase; warnings are shown with the result.
fn show(bar: &ProgressBar, event: Event) {
    match event {
        Event::Phase { name, total } => {
            bar.reset();
            bar.set_prefix(name);
            bar.set_message("");
            if total == 0 {
                bar.set_style(style("  {spinner} {prefix} {wide_msg}"));
            } else {
                bar.set_length(total);
                // Of narrow terminals the words need all of the line.
                bar.set_style(style(if output::is_narrow() {
                    "{pos}/{len} {prefix}, {eta} left {wide_msg}"
                } else {
                    "  {bar:24} {pos}/{len} {prefix}, {eta} left {wide_msg}"
                }));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Event::Step { done, note } => {
            bar.set_position(done);
            bar.set_message(note);
        }
        _ => {}
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .expect("the templates of this file are valid")
        .progress_chars("=> ")
}
