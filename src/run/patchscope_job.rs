//! A patchscope as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of, no_text};
use super::job::load_examples;
use super::lens_job::saved_lens;
use super::memory::Bound;
use super::precision::at_precision;
use super::slips;
use super::text::looked_at;
use super::vector_job::passages;
use crate::analyze::Patchscope;
use crate::analyze::patchscope::{
    Inspection, Mapping, PatchscopeReport, PatchscopeTask, Source, Wanted, look,
};
use crate::engine::{Place, Transformer};
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::{
    Rows, grid_csv, grid_svg, patchscope_text, precision_svg, surprisal_svg, told_text,
};
use crate::task::{Dataset, Prompts};

/// What the representations say.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Patchscope) -> Result<Answer> {
    let (spec, model, base) = (asked.spec, asked.model, asked.job.spec.base());
    if let Some(problem) = no_text(model.config()) {
        return Err(Error::model(&model.name, problem));
    }
    let tokenizer = model.require_tokenizer()?;
    let inspection = inspection(asked, question)?;
    let dataset = match &spec.task {
        Some(task) => Some(load_examples(
            (task, Prompts::Sets),
            spec.prepend_bos,
            model,
            base,
            asked.observer,
        )?),
        None => None,
    };
    let mut hashes = vec![hash_of(std::slice::from_ref(&inspection.tokens))];
    hashes.extend(dataset.iter().map(Dataset::hash));
    let [discovery, held_out] = match &dataset {
        Some(dataset) => split(dataset, asked, question)?,
        None => [Vec::new(), Vec::new()],
    };
    let texts = texts(asked, question)?;
    let fitted = fitted_on(asked, question)?;
    if !fitted.is_empty() {
        hashes.push(hash_of(&fitted));
    }
    let mut warnings = Vec::new();
    let lens = match &question.mapping {
        Mapping::Lens(path) => {
            let layers = (0..model.config().n_layers).map(Place::Layer);
            let (lens, warning) = saved_lens((model, base), path, &layers.collect::<Vec<_>>())?;
            warnings.extend(warning);
            Some(lens.cast())
        }
        _ => None,
    };
    let task = PatchscopeTask {
        discovery: &discovery,
        held_out: &held_out,
        texts: &texts,
        inspection: &inspection,
        passages: &fitted,
        lens: lens.as_ref(),
        bootstrap: spec.bootstrap,
        tokenizer: Some(tokenizer),
        stop: tokenizer.eos(),
    };
    let mut report = at_precision!(
        spec.precision,
        (model, dataset.as_ref().map_or(0, Dataset::bytes)),
        |weights, bound| report((weights, bound), asked, question, &task)?
    );
    report.warnings.extend(warnings);
    if discovery == held_out && !discovery.is_empty() {
        let warning = "no prompt is held out: the figures are on the prompts by which target layers were chosen";
        report.warnings.push(warning.into());
    }
    asked.observer.add_to(&mut report.warnings);
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    let title = asked.title();
    let about = match &dataset {
        Some(dataset) => format!("{title}: {}", dataset.source),
        None => title.clone(),
    };
    add("report.txt", patchscope_text(&report, &about));
    if !report.told.is_empty() {
        add("told.txt", told_text(&report));
    }
    if report.overall.is_some() {
        add("grid.csv", grid_csv(&report));
        add("grid.svg", grid_svg(&report, &title));
        add("precision.svg", precision_svg(&report, &title));
        add("surprisal.svg", surprisal_svg(&report, &title));
    }
    let rows = rows(dataset.as_ref(), spec.held_out);
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

/// The prompt that representations are put into; what its writer may not mean is told.
fn inspection(asked: &Asked<'_>, question: &Patchscope) -> Result<Inspection> {
    let (tokenizer, prepend_bos) = (asked.model.require_tokenizer()?, asked.spec.prepend_bos);
    let text = question.prompt.text();
    let named = (tokenizer, prepend_bos, asked.model.config());
    let inspection = Inspection::new(text, question.placeholder(), named)?;
    let named = ("analysis.Patchscope.prompt", text);
    let rule = (tokenizer, prepend_bos);
    slips::tell_of_text(named, &inspection.tokens, rule, asked.observer);
    Ok(inspection)
}

/// The sources of both splits: each prompt up to the position that its representation is taken at.
fn split(dataset: &Dataset, asked: &Asked<'_>, question: &Patchscope) -> Result<[Vec<Source>; 2]> {
    let mut problems = dataset.examples.iter().enumerate().filter_map(|(index, example)| {
        let row = format!("{}, row {}", dataset.source, index + 1);
        let read = example.at.last().copied().unwrap_or(0);
        if read < question.back {
            let problem = format!(
                "back is {}, but the position read is number {}",
                question.back,
                read + 1
            );
            return Some(Error::data(row, problem));
        }
        let answers = question.wanted == Wanted::Answer && example.teacher_forced;
        answers.then(|| {
            let problem = "an answer of several tokens is no token that could be said next; give answers of one token, or \
                           wanted: Next";
            Error::data(row, problem)
        })
    });
    if let Some(problem) = problems.next() {
        return Err(problem);
    }
    drop(problems);
    let (discovery, held_out) = dataset.split(asked.spec.held_out);
    dataset.some_discovery(discovery.len())?;
    asked.doubt_few([discovery.len(), held_out.len()]);
    let sources = |examples: &[crate::task::Example]| -> Vec<Source> {
        examples
            .iter()
            .map(|example| {
                let read = example.at.last().copied().unwrap_or(0);
                Source {
                    tokens: example.clean[..=read - question.back].to_vec(),
                    answers: example.answer.clone(),
                }
            })
            .collect()
    };
    let discovery = sources(&discovery);
    let held_out = if held_out.is_empty() {
        discovery.clone()
    } else {
        sources(&held_out)
    };
    Ok([discovery, held_out])
}

/// The passages that maps between layers are fitted on.
fn fitted_on(asked: &Asked<'_>, question: &Patchscope) -> Result<Vec<Vec<u32>>> {
    let Mapping::Ridge { text, tokens, .. } = &question.mapping else {
        return Ok(Vec::new());
    };
    let mut left = *tokens;
    let mut passages = passages(asked, &place(asked.job.spec.base(), text))?;
    for passage in &mut passages {
        passage.truncate(left);
        left -= passage.len();
    }
    passages.retain(|passage| !passage.is_empty());
    Ok(passages)
}

/// Which prompts of a task are on which side.
fn rows(dataset: Option<&Dataset>, held_out: f64) -> Rows {
    let rows = dataset.map(|it| it.split_rows(held_out));
    rows.map(Rows::split).unwrap_or_default()
}

/// The texts that are read out.
fn texts(asked: &Asked<'_>, question: &Patchscope) -> Result<Vec<Source>> {
    let texts = looked_at(asked, "analysis.Patchscope.texts", &question.texts)?;
    let texts = texts.into_iter().map(|tokens| Source {
        tokens,
        answers: Vec::new(),
    });
    Ok(texts.collect())
}

fn report<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &Patchscope,
    task: &PatchscopeTask<'_>,
) -> Result<PatchscopeReport> {
    let config = &weights.config;
    let graph = ComputationGraph::new(config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(weights, &graph);
    let mut kept = 0;
    if let Some(bound) = bound {
        let sources = task.discovery.len().max(task.held_out.len()) + task.texts.len();
        let fitted: usize = task.passages.iter().map(Vec::len).sum();
        let squares = if fitted > 0 || task.lens.is_some() {
            3 * config.n_layers
        } else {
            0
        };
        kept = sources * config.n_layers * config.d_model * size_of::<T>()
            + 2 * fitted * config.n_layers * config.d_model * size_of::<f64>()
            + squares * config.d_model * config.d_model * size_of::<f64>();
        let all = [task.discovery, task.held_out, task.texts]
            .into_iter()
            .flatten();
        let longest = all.map(|source| source.tokens.len());
        let longest = longest.chain(task.passages.iter().map(Vec::len)).max();
        let target = task.inspection.tokens.len();
        let run = transformer.rerun_bytes(target + longest.unwrap_or(0), target, 1);
        bound.check(kept + run)?;
    }
    let room = bound.map(|bound| bound.room().saturating_sub(kept));
    look(&transformer.within(room), task, question, asked.observer)
}
