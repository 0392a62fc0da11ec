//! A job that answers another question than that for a circuit, and the files of its result.

use std::collections::BTreeMap;

use serde::Serialize;

use super::job::{Contents, Listening, load_examples};
use super::memory::{self, Bound};
use super::plan::Job;
use super::provenance;
use super::record::{AnalysisSummary, Summary};
use crate::analyze::neurons::{NeuronReport, NeuronTask, find_neurons};
use crate::analyze::{Analysis, Neurons};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::{LoadedModel, Real, Weights};
use crate::report::{REPORT_FORMAT, doses_svg, neurons_csv, neurons_text};
use crate::spec::{AnalysisSpec, Precision, ron_line};
use crate::task::{Dataset, Example};

/// Answers the question and writes the files of the answer down.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn run(
    job: &Job,
    spec: &AnalysisSpec,
    model: &LoadedModel,
    observer: &Listening<'_>,
) -> Result<Contents> {
    let dataset = load_examples(&spec.task, spec.prepend_bos, model, job.spec.base())?;
    let Analysis::Neurons(question) = &spec.analysis;
    let mut report = match spec.precision {
        Precision::F32 => {
            let bound = Bound::new::<f32>(model, None);
            neurons(
                (&model.weights, bound),
                model,
                spec,
                question,
                &dataset,
                observer,
            )?
        }
        Precision::F64 => {
            let weights = memory::cast::<f64>(model);
            let bound = Bound::new(model, Some(&weights));
            neurons((&weights, bound), model, spec, question, &dataset, observer)?
        }
    };
    observer.add_to(&mut report.warnings);
    let stamp = Stamp {
        format: REPORT_FORMAT,
        secateur: provenance::VERSION,
        spec: ron_line(spec),
        spec_hash: spec.hash(),
        model: &job.model_name,
        model_hash: &model.hash,
        data_hash: dataset.hash(),
    };
    let mut files = BTreeMap::new();
    let mut add = |name: &str, text: String| files.insert(name.to_owned(), text.into_bytes());
    add("report.json", json(&report, &stamp)?);
    add("neurons.csv", neurons_csv(&report));
    add("report.txt", neurons_text(&report));
    let title = format!("Dose-response: {} on {}", spec.name, job.model_name);
    if let Some(svg) = doses_svg(&report, &title, &format!("{:?}", spec.metric)) {
        add("doses.svg", svg);
    }
    Ok(Contents {
        files,
        summary: Summary::Analysis(AnalysisSummary {
            finding: report.finding(),
            warnings: report.warnings,
        }),
    })
}

fn neurons<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    model: &LoadedModel,
    spec: &AnalysisSpec,
    question: &Neurons,
    dataset: &Dataset,
    observer: &dyn Observer,
) -> Result<NeuronReport> {
    let (discovery, held_out) = dataset.split(spec.held_out);
    check(&discovery, spec, dataset)?;
    let task = NeuronTask {
        held_out: if held_out.is_empty() {
            &discovery
        } else {
            &held_out
        },
        discovery: &discovery,
        metric: spec.metric,
        bootstrap: spec.bootstrap,
        random_baselines: spec.random_baselines,
    };
    let room = bound.map(Bound::room);
    let tokenizer = model.tokenizer.as_ref();
    let mut report = find_neurons((weights, room), tokenizer, &task, question, observer)?;
    if held_out.is_empty() {
        let warning =
            "held_out is 0: the effects are on the prompts by which the neurons were chosen";
        report.warnings.push(warning.into());
    }
    Ok(report)
}

/// Refuses examples that the metric cannot score.
fn check(discovery: &[Example], spec: &AnalysisSpec, dataset: &Dataset) -> Result<()> {
    if discovery.is_empty() {
        return Err(Error::data(
            dataset.source.clone(),
            "no example is left for discovery; lower held_out or add pairs",
        ));
    }
    let unfit = |example: &Example| {
        spec.metric.needs_wrong() && (example.wrong.is_empty() || example.teacher_forced)
    };
    match dataset.examples.iter().position(unfit) {
        Some(index) => Err(Error::data(
            format!("{}, row {}", dataset.source, index + 1),
            format!(
                "metric {:?} compares an answer of one token with wrong ones; add `wrong`, or use metric: Nll",
                spec.metric
            ),
        )),
        None => Ok(()),
    }
}

/// Where a result comes from: everything it depends on, nothing that varies between runs.
#[derive(Serialize)]
struct Stamp<'a> {
    format: u32,
    secateur: &'a str,
    /// The spec in one line: as a file, with a model, it gives this result.
    spec: String,
    spec_hash: String,
    model: &'a str,
    model_hash: &'a str,
    data_hash: String,
}

/// The text of `report.json`: the report's keys, then `provenance`.
fn json(report: &NeuronReport, stamp: &Stamp<'_>) -> Result<String> {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        report: &'a NeuronReport,
        provenance: &'a Stamp<'a>,
    }
    let whole = Whole {
        report,
        provenance: stamp,
    };
    let mut text = serde_json::to_string_pretty(&whole)
        .map_err(|error| Error::Bug(format!("report.json: {error}")))?;
    text.push('\n');
    Ok(text)
}
