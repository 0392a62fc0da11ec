//! One job with files: skipped when its record says that nothing changed, otherwise run and written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use fs_err as fs;

use super::files::{remove_if_there, remove_leftovers, write_whole};
use super::memory::Watch;
use super::pipeline::{Outcome, find_circuit, nodes_unknown_to_eap_ig};
use super::plan::Job;
use super::provenance::{self, Stopwatch};
use super::record::{Circumstances, Inputs, RECORD_FILE, RunRecord, Summary, content_hash};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Figures};
use crate::events::{Event, Observer};
use crate::model::LoadedModel;
use crate::report::{CIRCUIT_FORMAT, CircuitFile, ModelStamp};
use crate::report::{
    Provenance, REPORT_FORMAT, curve_csv, edges_csv, exporter, figure_warnings, report_json,
    scores_safetensors, to_eap_json, trace_lines,
};
use crate::spec::{Output, Precision, RunSpec, ron_line};
use crate::task::LoadRequest;
use crate::task::{Dataset, TaskSource};

/// How a job that did not fail ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// It ran.
    Done(Summary),
    /// Its results were there already, from the same inputs.
    Skipped(Summary),
}

impl Finish {
    /// The figures, old or new.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Done(summary) | Self::Skipped(summary) => summary,
        }
    }
}

/// What every job of a batch is told.
#[derive(Debug, Clone)]
pub(super) struct JobOptions<'a> {
    /// Run even when the results are current.
    pub(super) force: bool,
    /// Threads of this job.
    pub(super) threads: usize,
    /// Bytes of memory that this job may take, where it is bounded.
    pub(super) memory: Option<usize>,
    /// Knows the peak of anonymous memory.
    pub(super) watch: &'a Watch,
    /// The command line, for the record.
    pub(super) command: &'a [String],
}

/// Runs a job and writes its results, unless they are current.
///
/// # Errors
/// When the model or the data cannot be used, the disk refuses, or the observer interrupts.
pub(super) fn run_job(
    job: &Job,
    model: &LoadedModel,
    options: &JobOptions<'_>,
    observer: &dyn Observer,
) -> Result<Finish> {
    let clock = Stopwatch::start();
    let inputs = inputs(job, model)?;
    fs::create_dir_all(&job.folder)?;
    remove_leftovers(&job.folder)?;
    let before = RunRecord::read(&job.folder);
    if let Some(record) = before.as_ref().filter(|_| !options.force)
        && record.is_current(&inputs, &job.folder)
    {
        return Ok(Finish::Skipped(record.summary.clone()));
    }
    let listening = Listening {
        inner: observer,
        warnings: Mutex::default(),
    };
    let dataset = load_examples(&job.spec.spec, model, job.spec.base())?;
    let mut outcome = find_circuit(&job.spec.spec, model, &dataset, &listening)?;
    let heard = listening.warnings.into_inner();
    for warning in heard.unwrap_or_else(PoisonError::into_inner) {
        if !outcome.warnings.contains(&warning) {
            outcome.warnings.push(warning);
        }
    }
    let file = circuit_file(job, model, &dataset, &outcome);
    let contents = contents(&job.spec.spec, &file, &outcome)?;

    // From here on the folder holds no finished job, until the record is there again.
    remove_if_there(&job.folder.join(RECORD_FILE))?;
    for stale in before.iter().flat_map(|record| record.files.keys()) {
        if !contents.contains_key(stale) {
            remove_if_there(&job.folder.join(stale))?;
        }
    }
    let mut files = BTreeMap::new();
    for (name, bytes) in &contents {
        write_whole(&job.folder, name, bytes)?;
        files.insert(name.clone(), content_hash(bytes));
    }
    let record = RunRecord {
        inputs,
        files,
        summary: summary(&outcome),
        circumstances: Circumstances {
            wall_seconds: clock.seconds(),
            peak_memory_bytes: provenance::peak_memory_bytes(),
            peak_anonymous_bytes: options.watch.peak(),
            host: provenance::host(),
            cpu: provenance::cpu(),
            threads: options.threads,
            date: provenance::date(),
            command: options.command.to_vec(),
            spec_file: job.spec.path.display().to_string(),
            model: job.model.clone(),
        },
    };
    record.write(&job.folder)?;
    Ok(Finish::Done(record.summary))
}

/// The examples of a spec's task for a model.
///
/// # Errors
/// When they do not fit the model.
pub(super) fn load_examples(spec: &RunSpec, model: &LoadedModel, base: &Path) -> Result<Dataset> {
    if matches!(spec.task, TaskSource::File(_)) {
        model.require_tokenizer()?;
    }
    spec.task.load(&LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: spec.prepend_bos,
        base,
    })
}

fn inputs(job: &Job, model: &LoadedModel) -> Result<Inputs> {
    let spec = &job.spec.spec;
    let outputs = spec.outputs.iter().map(ron_line).collect();
    let data_file = match &spec.task {
        TaskSource::File(path) | TaskSource::Tokens(path) => {
            Some(content_hash(&fs::read(job.spec.base().join(path))?))
        }
        _ => None,
    };
    let mut inputs = Inputs::new(spec.hash(), outputs, job.model_name.clone());
    inputs.model.clone_from(&model.hash);
    inputs.data_file = data_file;
    Ok(inputs)
}

fn circuit_file(
    job: &Job,
    model: &LoadedModel,
    dataset: &Dataset,
    outcome: &Outcome,
) -> CircuitFile {
    let spec = &job.spec.spec;
    CircuitFile {
        format: CIRCUIT_FORMAT,
        name: spec.name.clone(),
        model: ModelStamp {
            name: job.model_name.clone(),
            hash: model.hash.clone(),
            config: model.config().clone(),
        },
        task: ron_line(&spec.task),
        metric: ron_line(&spec.metric),
        ablation: ron_line(&spec.ablation),
        method: ron_line(&spec.method),
        granularity: spec.granularity.clone(),
        neurons: outcome.graph.neurons().clone(),
        spec_hash: spec.hash(),
        data_hash: dataset.hash(),
        figures: named_figures(&outcome.evaluation),
        edges_total: outcome.graph.edge_count(),
        edges: CircuitFile::entries(&outcome.graph, &outcome.circuit),
    }
}

/// Where the result in a circuit file comes from, for `report.json`.
pub(super) fn report_provenance(file: &CircuitFile) -> Provenance {
    Provenance {
        format: REPORT_FORMAT,
        secateur: provenance::VERSION.to_owned(),
        spec: file.name.clone(),
        spec_hash: file.spec_hash.clone(),
        model: file.model.name.clone(),
        model_hash: file.model.hash.clone(),
        task: file.task.clone(),
        data_hash: file.data_hash.clone(),
        method: file.method.clone(),
        ablation: file.ablation.clone(),
        metric: file.metric.clone(),
    }
}

/// The figures of both splits by name, those of the discovery split with `discovery.` in front.
pub(super) fn named_figures(evaluation: &Evaluation) -> BTreeMap<String, f64> {
    let named = |prefix: &str, figures: &Figures| {
        [
            ("metric_full", Some(figures.metric_full)),
            ("metric_empty", Some(figures.metric_empty)),
            ("metric_circuit", Some(figures.metric_circuit)),
            ("faithfulness", figures.faithfulness),
            ("accuracy_full", figures.accuracy_full),
            ("accuracy_circuit", figures.accuracy_circuit),
            ("kl_circuit", figures.kl_circuit),
            ("cpr", figures.cpr),
            ("cmd", figures.cmd),
        ]
        .map(|(name, value)| value.map(|value| (format!("{prefix}{name}"), value)))
    };
    named("", &evaluation.held_out)
        .into_iter()
        .chain(named("discovery.", &evaluation.discovery))
        .flatten()
        .collect()
}

/// All files of a result but the record, by name.
fn contents(
    spec: &RunSpec,
    file: &CircuitFile,
    outcome: &Outcome,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    let mut add = |name: &str, bytes: Vec<u8>| contents.insert(name.to_owned(), bytes);
    add("circuit.ron", file.to_ron()?.into_bytes());
    let report = report_json(
        &outcome.evaluation,
        &report_provenance(file),
        &outcome.warnings,
    )?;
    add("report.json", report.into_bytes());
    if let Some(trace) = &outcome.trace {
        add(
            "trace.jsonl",
            trace_lines(&outcome.graph, trace)?.into_bytes(),
        );
    }
    for output in &spec.outputs {
        match output {
            Output::Dot => add("circuit.dot", exporter("dot")?.export(file)?),
            Output::Svg => add("circuit.svg", exporter("svg")?.export(file)?),
            // The pipeline warns of it.
            Output::Json if nodes_unknown_to_eap_ig(&outcome.graph).is_some() => None,
            Output::Json => {
                let text = to_eap_json(&outcome.graph, &outcome.circuit, &file.model.config)?;
                add("circuit.json", text.into_bytes())
            }
            Output::Scores => match &outcome.circuit.scores {
                Some(scores) => {
                    let bytes = match spec.precision {
                        Precision::F32 => scores_safetensors::<f32>(&outcome.graph, scores)?,
                        Precision::F64 => scores_safetensors::<f64>(&outcome.graph, scores)?,
                    };
                    add("scores.safetensors", bytes)
                }
                None => None,
            },
            Output::Csv => {
                let figures = &outcome.evaluation.held_out;
                if figures.curve.is_some() {
                    add("curve.csv", curve_csv(figures).into_bytes());
                }
                let text = edges_csv(&outcome.graph, &outcome.circuit);
                add("edges.csv", text.into_bytes())
            }
        };
    }
    Ok(contents)
}

fn summary(outcome: &Outcome) -> Summary {
    let evaluation = &outcome.evaluation;
    let figures = &evaluation.held_out;
    let mut warnings = outcome.warnings.clone();
    warnings.extend(figure_warnings(figures));
    Summary {
        edges_kept: evaluation.edges_kept,
        edges_total: evaluation.edges_total,
        nodes_kept: evaluation.nodes_kept,
        faithfulness: figures.faithfulness,
        faithfulness_interval: figures.faithfulness_interval,
        accuracy_full: figures.accuracy_full,
        accuracy_circuit: figures.accuracy_circuit,
        random_mean: figures.random.as_ref().map(|baseline| baseline.mean),
        target_reached: outcome.target_reached,
        warnings,
    }
}

/// Passes events on and keeps the warnings.
pub(super) struct Listening<'a> {
    pub(super) inner: &'a dyn Observer,
    pub(super) warnings: Mutex<Vec<String>>,
}

impl Observer for Listening<'_> {
    fn event(&self, event: Event) {
        if let Event::Warning(warning) = &event {
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        self.inner.event(event);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}

/// Runs `work` and turns a panic into [`Error::Bug`].
pub(super) fn without_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // The state that `work` leaves behind after a panic is dropped, so nobody sees it half changed.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Error::Bug(
            message.unwrap_or("a panic without message").to_owned(),
        ))
    })
}
