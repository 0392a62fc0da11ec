//! The analysis of a vector as a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{FoundVector, Passage, VectorFrom, VectorReport, VectorTask, find_vector};
use super::{VectorStamp, samples_text, vector_csv, vector_safetensors, vector_svg, vector_text};
use crate::analyze::Vector;
use crate::analyze::corpus::passages;
use crate::analyze::{
    Analysis, AnalysisOutput, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::{Ablation, Transformer};
use crate::error::{Error, Result};
use crate::model::{Real, Tokenizer, Weights};
use crate::paths::place;
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::setting::misfit;
use crate::task::{Dataset, Example, Prompts, TaskSource};

impl Analysis for Vector {
    const NAME: &'static str = "Vector";
    const USES: &'static [Shared] = &Shared::ALL;
    type Report = VectorReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values(keys.metric))
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let text = self.text.iter();
        text.map(|file| ("analysis.Vector.text", file.clone()))
            .collect()
    }

    fn other_task(&self) -> Option<(&'static str, &TaskSource)> {
        let task = self.add_to.as_ref()?;
        Some(("analysis.Vector.add_to", task))
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<VectorReport>> {
        let (keys, model, base) = (setting.keys, setting.model, setting.base);
        let writes = self.samples > 0 && self.tokens > 0;
        if let Some(problem) = no_text(model.config()).filter(|_| writes || self.text.is_some()) {
            let problem = format!("{problem}; leave `text` out and set samples: 0");
            return Err(Error::model(&model.name, problem));
        }
        if model.config().post_norms && matches!(self.from, VectorFrom::Heads { .. }) {
            let problem = "the model norms the sum of what its heads write, so what some of them write is no vector of its own; \
                           use from: Means(..)";
            return Err(Error::model(&model.name, problem));
        }
        let load = |task| setting.examples(task, Prompts::Sets);
        let dataset = load(setting.task()?)?;
        let add_to = self.add_to.as_ref().map(load).transpose()?;
        let text = match &self.text {
            Some(path) => passages(setting, &place(base, path))?,
            None => Vec::new(),
        };
        let prompts = Prompted {
            dataset: &dataset,
            add_to: add_to.as_ref(),
            text: &text,
        };
        let rows = dataset.bytes() + add_to.as_ref().map_or(0, Dataset::bytes);
        let (mut report, vector) =
            at_precision!(keys.precision, (model, rows), |weights, bound| {
                vector((weights, bound), setting, self, &prompts)?
            });
        setting.observer.add_to(&mut report.warnings);
        let mut data_hash = dataset.hash();
        if let Some(other) = &add_to {
            data_hash = format!("{data_hash} {}", other.hash());
        }
        if !text.is_empty() {
            data_hash = format!("{data_hash} {}", hash_of(&text));
        }
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        let title = setting.title;
        let about = format!("{title}: {}, {:?}", dataset.source, keys.metric);
        add("report.txt", vector_text(&report, &about));
        add("samples.txt", samples_text(&report));
        add("sweep.csv", vector_csv(&report));
        add(
            "sweep.svg",
            vector_svg(&report, title, &keys.metric.axis_label()),
        );
        let stamp = VectorStamp {
            model: setting.model_name,
            model_hash: &model.hash,
            spec: setting.spec_line,
            data_hash: &data_hash,
        };
        files.insert("vector.safetensors", vector_safetensors(&vector, &stamp)?);
        let mut rows = Rows::split(dataset.split_rows(keys.held_out));
        if let Some(add_to) = &add_to {
            let [discovery, held_out] = add_to.split_rows(keys.held_out);
            rows = rows
                .with("add_to_discovery", discovery)
                .with("add_to_held_out", held_out);
        }
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash,
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// What a vector is found and judged on.
struct Prompted<'p> {
    dataset: &'p Dataset,
    add_to: Option<&'p Dataset>,
    text: &'p [Passage],
}

fn vector<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &Vector,
    prompts: &Prompted<'_>,
) -> Result<(VectorReport, FoundVector)> {
    let (keys, model) = (setting.keys, setting.model);
    let split = |dataset: &Dataset| -> Result<[Vec<Example>; 2]> {
        for (index, example) in dataset.examples.iter().enumerate() {
            if let Some(problem) = misfit(keys.metric, None, example) {
                let row = format!("{}, row {}", dataset.source, index + 1);
                return Err(Error::data(row, problem));
            }
        }
        let (discovery, held_out) = dataset.split(keys.held_out);
        dataset.some_discovery(discovery.len())?;
        setting.doubt_few([discovery.len(), held_out.len()]);
        let judging = if held_out.is_empty() {
            &discovery
        } else {
            &held_out
        }
        .clone();
        Ok([discovery, judging])
    };
    let [discovery, held_out] = split(prompts.dataset)?;
    let add_to = match prompts.add_to {
        Some(dataset) => split(dataset)?,
        None => [discovery.clone(), held_out.clone()],
    };
    let task = VectorTask {
        discovery: &discovery,
        held_out: &held_out,
        add_to: [&add_to[0], &add_to[1]],
        metric: keys.metric,
        bootstrap: keys.bootstrap,
        random_baselines: keys.random_baselines,
        text: prompts.text,
        tokenizer: model.tokenizer.as_ref(),
        stop: model.tokenizer.as_ref().and_then(Tokenizer::eos),
    };
    let transformer = Transformer::plain(weights)?;
    if let Some(bound) = bound {
        let least = |examples: &[Example]| transformer.least_room(examples, Ablation::Mean, 1);
        let all = [&discovery, &held_out, &add_to[0], &add_to[1]].into_iter();
        let both = all.flat_map(|examples| [examples.clone(), swapped(examples)]);
        bound.check(both.map(|examples| least(&examples)).max().unwrap_or(0))?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let (mut report, vector) = find_vector(&transformer, &task, parameters, setting.observer)?;
    if discovery == held_out || add_to[0] == add_to[1] {
        let warning = "held_out is 0: the results are on the prompts on which the vector was found";
        report.warnings.push(warning.into());
    }
    Ok((report, vector))
}

fn swapped(examples: &[Example]) -> Vec<Example> {
    examples.iter().map(Example::swapped).collect()
}
