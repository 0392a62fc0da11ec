//! The analysis of neurons as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, some_discovery};
use super::job::load_examples;
use super::memory::{self, Bound};
use super::pipeline::misfit;
use crate::analyze::Neurons;
use crate::analyze::neurons::{NeuronReport, NeuronTask, find_neurons, least_room, no_neurons};
use crate::engine::{Ablation, Donors};
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::report::{doses_svg, neurons_csv, neurons_text};
use crate::spec::{AnalysisSpec, Precision};
use crate::task::{Dataset, Example, Prompts};

/// Which neurons the behaviour of the task needs.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Neurons) -> Result<Answer> {
    let (spec, model) = (asked.spec, asked.model);
    let task = (asked.task()?, Prompts::Pairs);
    let dataset = load_examples(task, spec.prepend_bos, model, asked.job.spec.base())?;
    let mut report = match spec.precision {
        Precision::F32 => {
            let bound = Bound::new::<f32>(model, None);
            neurons((&model.weights, bound), asked, question, &dataset)?
        }
        Precision::F64 => {
            let weights = memory::cast::<f64>(model);
            let bound = Bound::new(model, Some(&weights));
            neurons((&weights, bound), asked, question, &dataset)?
        }
    };
    asked.observer.add_to(&mut report.warnings);
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    add("neurons.csv", neurons_csv(&report));
    let title = asked.title();
    let about = format!(
        "{title}: {}, {:?}, neurons replaced by {:?}",
        dataset.source, spec.metric, question.ablation
    );
    add("report.txt", neurons_text(&report, &about));
    let title = format!("Dose-response: {title}");
    if let Some(svg) = doses_svg(&report, &title, &format!("{:?}", spec.metric)) {
        add("doses.svg", svg);
    }
    files.insert("report.json", asked.json(&report, &dataset.hash())?);
    Ok(Answer {
        files,
        finding: report.finding(),
        warnings: report.warnings,
        seconds: BTreeMap::new(),
    })
}

fn neurons<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &Neurons,
    dataset: &Dataset,
) -> Result<NeuronReport> {
    let (spec, model) = (asked.spec, asked.model);
    if let Some(problem) = no_neurons(&weights.config) {
        return Err(Error::model(&model.name, problem));
    }
    let (discovery, held_out) = dataset.split(spec.held_out);
    some_discovery(discovery.len(), dataset)?;
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
    let mut report = find_neurons((weights, room), tokenizer, &task, question, asked.observer)?;
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
    let donors = match question.ablation {
        Ablation::Resample(resample) => {
            let corrupt = discovery.iter().map(Example::swapped);
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
