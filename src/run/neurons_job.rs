//! The analysis of neurons as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked};
use super::job::{check_rows, load_examples};
use super::memory::Bound;
use super::pipeline::misfit;
use super::precision::at_precision;
use super::slips;
use crate::analyze::Neurons;
use crate::analyze::neurons::{
    Compared, NeuronReport, NeuronTask, Sides, find_neurons, least_room, no_neurons,
};
use crate::engine::{Ablation, Donors};
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::report::{Rows, doses_svg, neurons_csv, neurons_text};
use crate::spec::AnalysisSpec;
use crate::task::{Dataset, Example, LoadRequest, Prompts};

/// The prompts of a job, split.
struct Prompted {
    compared: Compared,
    discovery: Sides,
    held_out: Sides,
    /// Where all of them come from, row by row.
    datasets: Vec<Dataset>,
    source: String,
}

/// Which neurons the behaviour of the task needs.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Neurons) -> Result<Answer> {
    let (spec, model) = (asked.spec, asked.model);
    if let Some(problem) = no_neurons(model.config()) {
        return Err(Error::model(&model.name, problem));
    }
    let prompts = prompted(asked, question)?;
    check(&prompts, spec, question)?;
    let held = prompts.datasets.iter().map(Dataset::bytes).sum();
    let mut report = at_precision!(spec.precision, (model, held), |weights, bound| {
        neurons((weights, bound), asked, question, &prompts)?
    });
    asked.observer.add_to(&mut report.warnings);
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    add("neurons.csv", neurons_csv(&report));
    let title = asked.title();
    let about = format!(
        "{title}: {}, {:?}, neurons replaced by {:?}",
        prompts.source, spec.metric, question.ablation
    );
    add("report.txt", neurons_text(&report, &about));
    let title = format!("Dose-response: {title}");
    if let Some(svg) = doses_svg(&report, &title, &spec.metric.axis_label()) {
        add("doses.svg", svg);
    }
    let hashes: Vec<String> = prompts.datasets.iter().map(Dataset::hash).collect();
    let rows = rows(&prompts, spec);
    files.insert(
        "report.json",
        asked.json(&report, &rows, &hashes.join(" "))?,
    );
    Ok(Answer {
        files,
        finding: report.finding(),
        target_reached: true,
        below_target: false,
        warnings: report.warnings,
        seconds: BTreeMap::new(),
    })
}

/// Loads the prompts and splits them.
fn prompted(asked: &Asked<'_>, question: &Neurons) -> Result<Prompted> {
    let (spec, model, base) = (asked.spec, asked.model, asked.job.spec.base());
    let held_out = spec.held_out;
    let Some(sets) = &question.sets else {
        let task = (asked.task()?, Prompts::Pairs);
        let dataset = load_examples(task, spec.prepend_bos, model, base, asked.observer)?;
        let (discovery, held_out) = dataset.split(held_out);
        dataset.some_discovery(discovery.len())?;
        return Ok(Prompted {
            compared: Compared::Pairs,
            discovery: Sides::of_pairs(&discovery),
            held_out: Sides::of_pairs(&held_out),
            source: dataset.source.clone(),
            datasets: vec![dataset],
        });
    };
    check_rows(model, &sets.label(), sets.expected_bytes(base))?;
    let loaded = sets.load(&LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: spec.prepend_bos,
        prompts: Prompts::Sets,
        base,
        observer: asked.observer,
    })?;
    for dataset in [&loaded.behaviour, &loaded.other] {
        slips::tell(dataset, model, asked.observer)?;
    }
    let split = |dataset: &Dataset| -> Result<[Vec<Example>; 2]> {
        let (discovery, held_out) = if loaded.texts {
            dataset.split_texts(held_out)
        } else {
            dataset.split(held_out)
        };
        dataset.some_discovery(discovery.len())?;
        if held_out.is_empty() && spec.held_out > 0.0 {
            let problem = "one prompt cannot be split; give more, or held_out: 0";
            return Err(Error::data(dataset.source.clone(), problem));
        }
        Ok([discovery, held_out])
    };
    let [discovery, held_out] = split(&loaded.behaviour)?;
    let [other_discovery, other_held_out] = split(&loaded.other)?;
    Ok(Prompted {
        compared: if loaded.texts {
            Compared::Texts
        } else {
            Compared::Sets
        },
        discovery: Sides {
            behaviour: discovery,
            other: other_discovery,
        },
        held_out: Sides {
            behaviour: held_out,
            other: other_held_out,
        },
        source: sets.label(),
        datasets: vec![loaded.behaviour, loaded.other],
    })
}

/// Which rows of the pairs, or of the two sets, are on which side.
fn rows(prompts: &Prompted, spec: &AnalysisSpec) -> Rows {
    let split = |dataset: &Dataset| match prompts.compared {
        Compared::Texts => dataset.split_texts_rows(spec.held_out),
        Compared::Pairs | Compared::Sets => dataset.split_rows(spec.held_out),
    };
    let mut sets = prompts.datasets.iter().map(split);
    let rows = sets.next().map(Rows::split).unwrap_or_default();
    sets.fold(rows, |rows, [discovery, held_out]| {
        rows.with("other_discovery", discovery)
            .with("other_held_out", held_out)
    })
}

fn neurons<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &Neurons,
    prompts: &Prompted,
) -> Result<NeuronReport> {
    let (spec, model) = (asked.spec, asked.model);
    let is_judged_apart = !prompts.held_out.behaviour.is_empty();
    let task = NeuronTask {
        discovery: &prompts.discovery,
        held_out: if is_judged_apart {
            &prompts.held_out
        } else {
            &prompts.discovery
        },
        compared: prompts.compared,
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
    if !is_judged_apart {
        let warning =
            "held_out is 0: the effects are on the prompts by which the neurons were chosen";
        report.warnings.push(warning.into());
    }
    Ok(report)
}

/// Refuses examples that the metric cannot score or the ablation cannot replace.
fn check(prompts: &Prompted, spec: &AnalysisSpec, question: &Neurons) -> Result<()> {
    let donors = match question.ablation {
        Ablation::Resample(resample) => {
            let all: Vec<Example> = prompts.discovery.all().cloned().collect();
            Some(Donors::new(&all, resample))
        }
        _ => None,
    };
    for dataset in &prompts.datasets {
        for (index, example) in dataset.examples.iter().enumerate() {
            let problem = match prompts.compared {
                Compared::Texts if spec.metric.needs_wrong() => Some(format!(
                    "it has no answers, so that it is scored by its own tokens, which {:?} cannot; use metric: Nll, or \
                     give answers",
                    spec.metric
                )),
                _ => misfit(spec.metric, donors.as_ref(), example),
            };
            if let Some(problem) = problem {
                let row = format!("{}, row {}", dataset.source, index + 1);
                return Err(Error::data(row, problem));
            }
        }
    }
    let by_position = question.ablation == Ablation::MeanPositional;
    if by_position && prompts.held_out.longest() > prompts.discovery.longest() {
        return Err(Error::data(
            prompts.source.clone(),
            "a held-out prompt is longer than all discovery prompts, so its last positions have no mean; use more prompts \
             or ablation: Mean",
        ));
    }
    Ok(())
}
