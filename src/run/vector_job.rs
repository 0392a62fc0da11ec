//! The analysis of a vector as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of, no_text};
use super::job::load_examples;
use super::memory::Bound;
use super::pieces::TokenFile;
use super::pipeline::misfit;
use super::precision::at_precision;
use crate::analyze::Vector;
use crate::analyze::vector::{
    FoundVector, Passage, VectorFrom, VectorReport, VectorTask, find_vector,
};
use crate::engine::{Ablation, Transformer};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{Real, Tokenizer, Weights};
use crate::paths::place;
use crate::report::{
    Rows, VectorStamp, samples_text, vector_csv, vector_safetensors, vector_svg, vector_text,
};
use crate::task::{Dataset, Example, Prompts};

/// Tokens of a passage of unrelated text.
const PASSAGE: usize = 128;
/// Tokens of unrelated text that are read at most.
const LONGEST_TEXT: usize = 16_384;

/// Which direction carries the behaviour of the task.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Vector) -> Result<Answer> {
    let (spec, model, base) = (asked.spec, asked.model, asked.job.spec.base());
    let writes = question.samples > 0 && question.tokens > 0;
    if let Some(problem) = no_text(model.config()).filter(|_| writes || question.text.is_some()) {
        let problem = format!("{problem}; leave `text` out and set samples: 0");
        return Err(Error::model(&model.name, problem));
    }
    if model.config().post_norms && matches!(question.from, VectorFrom::Heads { .. }) {
        let problem = "the model norms the sum of what its heads write, so what some of them write is no vector of its own; \
                       use from: Means(..)";
        return Err(Error::model(&model.name, problem));
    }
    let load = |task| {
        load_examples(
            (task, Prompts::Sets),
            spec.prepend_bos,
            model,
            base,
            asked.observer,
        )
    };
    let dataset = load(asked.task()?)?;
    let add_to = question.add_to.as_ref().map(load).transpose()?;
    let text = match &question.text {
        Some(path) => passages(asked, &place(base, path))?,
        None => Vec::new(),
    };
    let prompts = Prompted {
        dataset: &dataset,
        add_to: add_to.as_ref(),
        text: &text,
    };
    let rows = dataset.bytes() + add_to.as_ref().map_or(0, Dataset::bytes);
    let (mut report, vector) = at_precision!(spec.precision, (model, rows), |weights, bound| {
        vector((weights, bound), asked, question, &prompts)?
    });
    asked.observer.add_to(&mut report.warnings);
    let mut data_hash = dataset.hash();
    if let Some(other) = &add_to {
        data_hash = format!("{data_hash} {}", other.hash());
    }
    if !text.is_empty() {
        data_hash = format!("{data_hash} {}", hash_of(&text));
    }
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    let title = asked.title();
    let about = format!("{title}: {}, {:?}", dataset.source, spec.metric);
    add("report.txt", vector_text(&report, &about));
    add("samples.txt", samples_text(&report));
    add("sweep.csv", vector_csv(&report));
    add(
        "sweep.svg",
        vector_svg(&report, &title, &spec.metric.axis_label()),
    );
    let stamp = VectorStamp {
        model: &asked.job.model_name,
        model_hash: &model.hash,
        spec: &asked.spec_line(),
        data_hash: &data_hash,
    };
    files.insert("vector.safetensors", vector_safetensors(&vector, &stamp)?);
    let mut rows = Rows::split(dataset.split_rows(spec.held_out));
    if let Some(add_to) = &add_to {
        let [discovery, held_out] = add_to.split_rows(spec.held_out);
        rows = rows
            .with("add_to_discovery", discovery)
            .with("add_to_held_out", held_out);
    }
    files.insert("report.json", asked.json(&report, &rows, &data_hash)?);
    Ok(Answer {
        files,
        finding: report.finding(),
        target_reached: true,
        below_target: false,
        warnings: report.warnings,
        seconds: BTreeMap::new(),
    })
}

/// What a vector is found and judged on.
struct Prompted<'p> {
    dataset: &'p Dataset,
    add_to: Option<&'p Dataset>,
    text: &'p [Passage],
}

fn vector<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &Vector,
    prompts: &Prompted<'_>,
) -> Result<(VectorReport, FoundVector)> {
    let (spec, model) = (asked.spec, asked.model);
    let split = |dataset: &Dataset| -> Result<[Vec<Example>; 2]> {
        for (index, example) in dataset.examples.iter().enumerate() {
            if let Some(problem) = misfit(spec.metric, None, example) {
                let row = format!("{}, row {}", dataset.source, index + 1);
                return Err(Error::data(row, problem));
            }
        }
        let (discovery, held_out) = dataset.split(spec.held_out);
        dataset.some_discovery(discovery.len())?;
        asked.doubt_few([discovery.len(), held_out.len()]);
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
        metric: spec.metric,
        bootstrap: spec.bootstrap,
        random_baselines: spec.random_baselines,
        text: prompts.text,
        tokenizer: model.tokenizer.as_ref(),
        stop: model.tokenizer.as_ref().and_then(Tokenizer::eos),
    };
    let graph = ComputationGraph::new(&weights.config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(weights, &graph);
    if let Some(bound) = bound {
        let least = |examples: &[Example]| transformer.least_room(examples, Ablation::Mean, 1);
        let all = [&discovery, &held_out, &add_to[0], &add_to[1]].into_iter();
        let both = all.flat_map(|examples| [examples.clone(), swapped(examples)]);
        bound.check(both.map(|examples| least(&examples)).max().unwrap_or(0))?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let (mut report, vector) = find_vector(&transformer, &task, question, asked.observer)?;
    if discovery == held_out || add_to[0] == add_to[1] {
        let warning =
            "no prompt is held out: the figures are on the prompts by which the vector was found";
        report.warnings.push(warning.into());
    }
    Ok((report, vector))
}

fn swapped(examples: &[Example]) -> Vec<Example> {
    examples.iter().map(Example::swapped).collect()
}

/// The beginning of a text file, in passages of equal length.
pub(super) fn passages(asked: &Asked<'_>, path: &std::path::Path) -> Result<Vec<Passage>> {
    let name = path.display().to_string();
    let tokenizer = asked.model.require_tokenizer()?;
    let mut text = TokenFile::open(asked, path)?;
    let mut tokens = Vec::new();
    while tokens.len() < LONGEST_TEXT
        && let Some(more) = text.next()?
    {
        tokens.extend(more);
    }
    text.finish(asked.observer);
    tokens.truncate(LONGEST_TEXT);
    let bos = tokenizer.encode("", asked.spec.prepend_bos)?;
    if asked.model.config().n_ctx < bos.len() + 2 {
        return Err(Error::model(
            &asked.model.name,
            "the model reads too few tokens for text",
        ));
    }
    let length = PASSAGE
        .min(asked.model.config().n_ctx)
        .saturating_sub(bos.len());
    let passages = tokens.chunks(length.max(2)).filter(|it| it.len() > 1);
    let passages: Vec<Passage> = passages.map(|it| [&bos[..], it].concat()).collect();
    if passages.is_empty() {
        return Err(Error::data(name, "the text has fewer than two tokens"));
    }
    Ok(passages)
}
