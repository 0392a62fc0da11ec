//! The analysis of neurons as a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{
    Contrast, ContrastSets, NeuronReport, NeuronTask, find_neurons, least_room, no_neurons,
};
use super::{doses_svg, neurons_csv, neurons_text};
use crate::analyze::Neurons;
use crate::analyze::{Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, keyed};
use crate::engine::{Ablation, Donors};
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::setting::check_rows;
use crate::setting::misfit;
use crate::setting::slips;
use crate::task::{Dataset, Example, LoadRequest, Prompts};

/// The prompts of a job, split.
struct Prompted {
    compared: Contrast,
    discovery: ContrastSets,
    held_out: ContrastSets,
    /// Where all of them come from, row by row.
    datasets: Vec<Dataset>,
    source: String,
}

impl Analysis for Neurons {
    const NAME: &'static str = "Neurons";
    const USES: &'static [Shared] = &Shared::ALL;
    type Report = NeuronReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values(keys.metric))
    }

    fn prompts(&self) -> PromptSource<'_> {
        match self.sets {
            Some(_) => PromptSource::Own(
                "the prompts are those of `sets`, which needs no task; leave one of them out",
            ),
            None => PromptSource::Task,
        }
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let sets = self.sets.iter();
        let files = sets.flat_map(|sets| {
            [
                ("analysis.Neurons.sets.behaviour", sets.behaviour.clone()),
                ("analysis.Neurons.sets.other", sets.other.clone()),
            ]
        });
        files.collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<NeuronReport>> {
        let (keys, model) = (setting.keys, setting.model);
        if let Some(problem) = no_neurons(model.config()) {
            return Err(Error::model(&model.name, problem));
        }
        let prompts = prompted(setting, self)?;
        check(&prompts, keys, self)?;
        let held = prompts.datasets.iter().map(Dataset::bytes).sum();
        let mut report = at_precision!(keys.precision, (model, held), |weights, bound| {
            neurons((weights, bound), setting, self, &prompts)?
        });
        setting.observer.add_to(&mut report.warnings);
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        add("neurons.csv", neurons_csv(&report));
        let title = setting.title;
        let about = format!(
            "{title}: {}, {:?}, neurons replaced by {:?}",
            prompts.source, keys.metric, self.ablation
        );
        add("report.txt", neurons_text(&report, &about));
        let title = format!("Dose-response: {title}");
        if let Some(svg) = doses_svg(&report, &title, &keys.metric.axis_label()) {
            add("doses.svg", svg);
        }
        let hashes: Vec<String> = prompts.datasets.iter().map(Dataset::hash).collect();
        let rows = rows(&prompts, keys);
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash: hashes.join(" "),
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// Loads the prompts and splits them.
fn prompted(setting: &Setting<'_>, parameters: &Neurons) -> Result<Prompted> {
    let (keys, model, base) = (setting.keys, setting.model, setting.base);
    let held_out = keys.held_out;
    let Some(sets) = &parameters.sets else {
        let dataset = setting.examples(setting.task()?, Prompts::Pairs)?;
        let (discovery, held_out) = dataset.split(held_out);
        dataset.some_discovery(discovery.len())?;
        return Ok(Prompted {
            compared: Contrast::Pairs,
            discovery: ContrastSets::of_pairs(&discovery),
            held_out: ContrastSets::of_pairs(&held_out),
            source: dataset.source.clone(),
            datasets: vec![dataset],
        });
    };
    check_rows(model, &sets.label(), sets.expected_bytes(base))?;
    let loaded = sets.load(&LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: keys.prepend_bos,
        prompts: Prompts::Sets,
        base,
        observer: setting.observer,
    })?;
    for dataset in [&loaded.behaviour, &loaded.other] {
        slips::tell(dataset, model, setting.observer)?;
    }
    let split = |dataset: &Dataset| -> Result<[Vec<Example>; 2]> {
        let (discovery, held_out) = if loaded.texts {
            dataset.split_texts(held_out)
        } else {
            dataset.split(held_out)
        };
        dataset.some_discovery(discovery.len())?;
        if held_out.is_empty() && keys.held_out > 0.0 {
            let problem = "one prompt cannot be split; give more, or held_out: 0";
            return Err(Error::data(dataset.source.clone(), problem));
        }
        Ok([discovery, held_out])
    };
    let [discovery, held_out] = split(&loaded.behaviour)?;
    let [other_discovery, other_held_out] = split(&loaded.other)?;
    Ok(Prompted {
        compared: if loaded.texts {
            Contrast::Texts
        } else {
            Contrast::Sets
        },
        discovery: ContrastSets {
            behaviour: discovery,
            other: other_discovery,
        },
        held_out: ContrastSets {
            behaviour: held_out,
            other: other_held_out,
        },
        source: sets.label(),
        datasets: vec![loaded.behaviour, loaded.other],
    })
}

/// Which rows of the pairs, or of the two sets, are on which side.
fn rows(prompts: &Prompted, keys: &SharedKeys) -> Rows {
    let split = |dataset: &Dataset| match prompts.compared {
        Contrast::Texts => dataset.split_texts_rows(keys.held_out),
        Contrast::Pairs | Contrast::Sets => dataset.split_rows(keys.held_out),
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
    setting: &Setting<'_>,
    parameters: &Neurons,
    prompts: &Prompted,
) -> Result<NeuronReport> {
    let (keys, model) = (setting.keys, setting.model);
    let is_judged_apart = !prompts.held_out.behaviour.is_empty();
    let task = NeuronTask {
        discovery: &prompts.discovery,
        held_out: if is_judged_apart {
            &prompts.held_out
        } else {
            &prompts.discovery
        },
        compared: prompts.compared,
        metric: keys.metric,
        bootstrap: keys.bootstrap,
        random_baselines: keys.random_baselines,
    };
    if let Some(bound) = bound {
        bound.check(least_room(weights, &task, parameters)?)?;
    }
    let room = bound.map(Bound::room);
    let tokenizer = model.tokenizer.as_ref();
    let mut report = find_neurons(
        (weights, room),
        tokenizer,
        &task,
        parameters,
        setting.observer,
    )?;
    if !is_judged_apart {
        let warning =
            "held_out is 0: the effects are on the prompts on which the neurons were chosen";
        report.warnings.push(warning.into());
    }
    Ok(report)
}

/// Refuses examples that the metric cannot score or the ablation cannot replace.
fn check(prompts: &Prompted, keys: &SharedKeys, parameters: &Neurons) -> Result<()> {
    let donors = match parameters.ablation {
        Ablation::Resample(resample) => {
            let all: Vec<Example> = prompts.discovery.all().cloned().collect();
            Some(Donors::new(&all, resample))
        }
        _ => None,
    };
    for dataset in &prompts.datasets {
        for (index, example) in dataset.examples.iter().enumerate() {
            let problem = match prompts.compared {
                Contrast::Texts if keys.metric.needs_wrong() => Some(format!(
                    "it has no answers, so that it is scored by its own tokens, which {:?} cannot; use metric: Nll, or \
                     give answers",
                    keys.metric
                )),
                _ => misfit(keys.metric, donors.as_ref(), example),
            };
            if let Some(problem) = problem {
                let row = format!("{}, row {}", dataset.source, index + 1);
                return Err(Error::data(row, problem));
            }
        }
    }
    let by_position = parameters.ablation == Ablation::MeanPositional;
    if by_position && prompts.held_out.longest() > prompts.discovery.longest() {
        return Err(Error::data(
            prompts.source.clone(),
            "a held-out prompt is longer than all discovery prompts, so its last positions have no mean; use more prompts \
             or ablation: Mean",
        ));
    }
    Ok(())
}
