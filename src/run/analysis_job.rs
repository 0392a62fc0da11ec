//! A job that answers another question than that for a circuit, and the files of its result.

use std::collections::BTreeMap;

use serde::Serialize;

use super::job::{Contents, Listening, load_examples};
use super::memory::{self, Bound};
use super::pipeline::misfit;
use super::plan::Job;
use super::provenance;
use super::record::{AnalysisSummary, Summary};
use crate::analyze::neurons::{
    NeuronReport, NeuronTask, find_neurons, least_room, no_neurons, swapped,
};
use crate::analyze::{Analysis, Neurons};
use crate::engine::{Ablation, Donors};
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
        spec: ron_line(&AnalysisSpec {
            models: vec![job.model_name.clone()],
            ..spec.clone()
        }),
        spec_hash: spec.hash(),
        model: &job.model_name,
        model_hash: &model.hash,
        data_hash: dataset.hash(),
    };
    let mut files = BTreeMap::new();
    let mut add = |name: &str, text: String| files.insert(name.to_owned(), text.into_bytes());
    add("report.json", json(&report, &stamp)?);
    add("neurons.csv", neurons_csv(&report));
    let title = format!("{} on {}", spec.name, job.model_name);
    let about = format!(
        "{title}: {}, {:?}, neurons replaced by {:?}",
        dataset.source, spec.metric, question.ablation
    );
    add("report.txt", neurons_text(&report, &about));
    let title = format!("Dose-response: {title}");
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
    if let Some(problem) = no_neurons(&weights.config) {
        return Err(Error::model(&model.name, problem));
    }
    let (discovery, held_out) = dataset.split(spec.held_out);
    check(&discovery, &held_out, (spec, question), dataset)?;
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
    if let Some(bound) = bound {
        bound.check(least_room(weights, &task, question)?)?;
    }
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

/// Refuses examples that the metric cannot score or the ablation cannot replace.
fn check(
    discovery: &[Example],
    held_out: &[Example],
    (spec, question): (&AnalysisSpec, &Neurons),
    dataset: &Dataset,
) -> Result<()> {
    if discovery.is_empty() {
        return Err(Error::data(
            dataset.source.clone(),
            "no example is left for discovery; lower held_out or add pairs",
        ));
    }
    let donors = match question.ablation {
        Ablation::Resample(resample) => {
            let corrupt = discovery.iter().map(swapped);
            let all: Vec<Example> = discovery.iter().cloned().chain(corrupt).collect();
            Some(Donors::new(&all, resample))
        }
        _ => None,
    };
    for (index, example) in dataset.examples.iter().enumerate() {
        if let Some(problem) = misfit(spec.metric, donors.as_ref(), example) {
            let row = format!("{}, row {}", dataset.source, index + 1);
            return Err(Error::data(row, problem));
        }
    }
    let longest = |examples: &[Example]| examples.iter().map(|it| it.clean.len()).max();
    if question.ablation == Ablation::MeanPositional && longest(held_out) > longest(discovery) {
        return Err(Error::data(
            dataset.source.clone(),
            "a held-out prompt is longer than all discovery prompts, so its last positions have no mean; use more pairs \
             or ablation: Mean",
        ));
    }
    Ok(())
}

/// Where a result comes from: everything it depends on, nothing that varies between runs.
#[derive(Serialize)]
struct Stamp<'a> {
    format: u32,
    secateur: &'a str,
    /// The spec in one line, with the name of the model.
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
