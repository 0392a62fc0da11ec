//! The analysis of attention as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of, no_text};
use super::job::load_examples;
use super::memory::{Bound, bytes_of_tokens};
use super::precision::at_precision;
use crate::analyze::AttentionRoles;
use crate::analyze::attention::{
    Answered, AttentionReport, AttentionTask, RandomTokens, Repeated, score_heads,
};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{Real, Weights};
use crate::report::{
    Rows, attention_csv, attention_html, attention_svg, attention_text, roles_json,
};
use crate::task::Prompts;

/// What heads look at.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &AttentionRoles) -> Result<Answer> {
    let (spec, model) = (asked.spec, asked.model);
    let config = model.config();
    if let Some(problem) = no_text(config) {
        return Err(Error::model(&model.name, problem));
    }
    let bos = match &model.tokenizer {
        Some(tokenizer) => tokenizer.encode("", spec.prepend_bos)?,
        None => Vec::new(),
    };
    let (mut prompts, mut source, mut data_hash) = (Vec::new(), String::new(), String::new());
    if let Some(task) = &spec.task {
        let task = (task, Prompts::Sets);
        let dataset = load_examples(
            task,
            spec.prepend_bos,
            model,
            asked.job.spec.base(),
            asked.observer,
        )?;
        let answered = dataset.examples.iter().map(|example| {
            let place = example.at.len().saturating_sub(1);
            Answered {
                tokens: example.clean.clone(),
                at: example.at[place],
                answer: example.answers_at(place).to_vec(),
            }
        });
        prompts = answered.collect();
        source = format!(": {}", dataset.source);
        data_hash = format!("{} ", dataset.hash());
    }
    let among: Vec<u32> = match question.tokens {
        RandomTokens::Vocabulary => (0..config.d_vocab as u32).collect(),
        RandomTokens::Prompts => prompts.iter().flat_map(|it| it.tokens.clone()).collect(),
    };
    let sizes = (question.sequences, question.length, question.seed);
    let repeated = Repeated::drawn((&among, config.n_ctx), &bos, sizes);
    if repeated.length < 2 {
        let problem = "it reads or knows too few tokens for random ones to be repeated";
        return Err(Error::model(&model.name, problem));
    }
    data_hash += &hash_of(&repeated.sequences);
    let data = (&repeated, &prompts[..]);
    let rows = prompts
        .iter()
        .map(|it| bytes_of_tokens(&[&it.tokens, &it.answer]))
        .sum();
    let mut report = at_precision!(spec.precision, (model, rows), |weights, bound| {
        scored((weights, bound), asked, question, data)?
    });
    asked.observer.add_to(&mut report.warnings);
    if repeated.length < question.length {
        report.warnings.push(format!(
            "sequences have {} random tokens instead of {}: the model reads or knows no more",
            repeated.length, question.length
        ));
    }
    if !prompts.is_empty() && report.prompts == 0 {
        let warning = "no prompt has its answer in it, so name moving is not scored";
        report.warnings.push(warning.into());
    }
    let title = asked.title();
    let text = attention_text(&report, &format!("{title}{source}"));
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    add("heads.csv", attention_csv(&report));
    if let Some(svg) = attention_svg(&report, &title) {
        add("attention.svg", svg);
    }
    add("attention.html", attention_html(&report, &title, &text));
    add("report.txt", text);
    let roles = roles_json(&report, &asked.job.model_name, &model.hash)?;
    files.insert("roles.json", roles);
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

fn scored<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &AttentionRoles,
    (repeated, prompts): (&Repeated, &[Answered]),
) -> Result<AttentionReport> {
    let graph = ComputationGraph::new(&weights.config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(weights, &graph);
    if let Some(bound) = bound {
        let longest = prompts.iter().map(|it| it.tokens.len()).max().unwrap_or(0);
        let longest = longest.max(repeated.start + 2 * repeated.length);
        let logits =
            question.copied * transformer.d_out() * (size_of::<T>() + 2 * size_of::<f64>());
        bound.check(
            transformer.run_bytes(4 * longest) + 2 * longest * longest * size_of::<T>() + logits,
        )?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let task = AttentionTask {
        repeated,
        prompts,
        bootstrap: asked.spec.bootstrap,
        tokenizer: asked.model.tokenizer.as_ref(),
    };
    score_heads(&transformer, &task, question, asked.observer)
}
