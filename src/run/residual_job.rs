//! The analysis of the residual stream as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of};
use super::job::load_examples;
use super::memory::{Bound, bytes_of_tokens};
use super::precision::at_precision;
use super::text::{looked_at, one_token};
use crate::analyze::Residual;
use crate::analyze::residual::{Direction, Over, ResidualReport, ResidualTask, residual};
use crate::engine::Transformer;
use crate::error::Result;
use crate::events::{Event, Observer as _};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{Real, Weights, added};
use crate::paths::place;
use crate::report::{
    Rows, cosines_svg, directions_csv, residual_csv, residual_html, residual_norm_svg,
    residual_text, residual_writes_svg,
};
use crate::task::Prompts;

/// Prompts with the positions looked at.
type Looked = Vec<(Vec<u32>, Vec<usize>)>;

/// How the stream grows, and who writes what to it.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Residual) -> Result<Answer> {
    let (spec, model) = (asked.spec, asked.model);
    let (prompts, source, data_hash) = prompts(asked, question)?;
    let held = prompts
        .iter()
        .map(|(tokens, at)| bytes_of_tokens(&[tokens]) + size_of_val(&at[..]))
        .sum();
    let mut report = at_precision!(spec.precision, (model, held), |weights, bound| {
        looked((weights, bound), asked, question, &prompts)?
    });
    asked.observer.add_to(&mut report.warnings);
    let title = asked.title();
    let text = residual_text(&report, &format!("{title}: {source}"));
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    add("stream.csv", residual_csv(&report));
    if !report.directions.is_empty() {
        add("directions.csv", directions_csv(&report));
    }
    add("norm.svg", residual_norm_svg(&report, &title));
    add("writes.svg", residual_writes_svg(&report, &title));
    add("cosines.svg", cosines_svg(&report, &title));
    add("residual.html", residual_html(&report, &title, &text));
    add("report.txt", text);
    files.insert(
        "report.json",
        asked.json(&report, &Rows::default(), &data_hash)?,
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

/// The prompts, what they are in words, and their hash.
fn prompts(asked: &Asked<'_>, question: &Residual) -> Result<(Looked, String, String)> {
    let (mut found, source, hash): (Looked, _, _) = if question.texts.is_empty() {
        let task = (asked.task()?, Prompts::Sets);
        let base = asked.job.spec.base();
        let dataset = load_examples(
            task,
            asked.spec.prepend_bos,
            asked.model,
            base,
            asked.observer,
        )?;
        let hash = dataset.hash();
        let prompts = dataset.examples.into_iter().map(|it| {
            let read = it.at.last().copied().unwrap_or(0);
            (it.clean, vec![read])
        });
        (prompts.collect(), dataset.source, hash)
    } else {
        let texts = looked_at(asked, "analysis.Residual.texts", &question.texts)?;
        let hash = hash_of(&texts);
        let prompts = texts.into_iter().map(|tokens| {
            let last = tokens.len() - 1;
            (tokens, vec![last])
        });
        (
            prompts.collect(),
            format!("{} texts", question.texts.len()),
            hash,
        )
    };
    if question.over == Over::Every {
        for (tokens, at) in &mut found {
            // A prompt of one token has no other position.
            *at = (1.min(tokens.len() - 1)..tokens.len()).collect();
        }
    }
    Ok((found, source, hash))
}

fn looked<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &Residual,
    prompts: &Looked,
) -> Result<ResidualReport> {
    let graph = ComputationGraph::new(&weights.config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(weights, &graph);
    if let Some(bound) = bound {
        let longest = prompts.iter().map(|(it, _)| it.len()).max().unwrap_or(1);
        let looked = prompts.iter().map(|(_, at)| at.len()).max().unwrap_or(1);
        let shape = transformer.heads();
        // What every attention and MLP writes, and the streams.
        let numbers = 4 * (shape.n_layers + 1) * looked * shape.d_model;
        bound.check(transformer.run_bytes(longest) + numbers * size_of::<f64>())?;
    }
    let mut directions = Vec::new();
    for direction in &question.directions {
        let values = match direction {
            Direction::Token(token) => {
                let token = one_token(asked.model, token)?;
                transformer.logit_direction(&[token], &[]).towards
            }
            Direction::Difference(token, other) => {
                let [token, other] = [
                    one_token(asked.model, token)?,
                    one_token(asked.model, other)?,
                ];
                transformer.logit_direction(&[token], &[other]).towards
            }
            Direction::Vector(path) => {
                let file = place(asked.job.spec.base(), path);
                let (values, metadata) = added::read_vector(&file, weights.config.d_model)?;
                let models = std::slice::from_ref(&asked.model.hash);
                let name = path.display().to_string();
                if let Some(warning) = added::of_another_model(&name, &metadata, models) {
                    asked.observer.event(Event::Warning(warning));
                }
                values.into_iter().map(f64::from).collect()
            }
        };
        directions.push((direction.name(), values));
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let task = ResidualTask {
        prompts,
        directions: &directions,
        bootstrap: asked.spec.bootstrap,
        random_baselines: asked.spec.random_baselines,
    };
    residual(&transformer, &task, asked.observer)
}
