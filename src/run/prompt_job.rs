//! One prompt, as a job and without files.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of, known, no_text};
use super::memory::Bound;
use super::precision::at_precision;
use crate::analyze::Prompt;
use crate::analyze::prompt::{PromptReport, ask_prompt};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{LoadedModel, PrependBos};
use crate::report::{prompt_csv, prompt_text};
use crate::spec::Precision;

/// What the model says next to the prompt.
///
/// # Errors
/// When the model or the prompt cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Prompt) -> Result<Answer> {
    let (spec, model) = (asked.spec, asked.model);
    let how = (spec.precision, spec.prepend_bos);
    let prompts = tokens_of(model, question, spec.prepend_bos)?;
    let mut report = run_prompt(model, question, how, asked.observer)?;
    asked.observer.add_to(&mut report.warnings);
    let text = format!("{}\n{}", asked.title(), prompt_text(&report));
    let files = BTreeMap::from([
        ("report.txt", text.into_bytes()),
        ("next.csv", prompt_csv(&report).into_bytes()),
        ("report.json", asked.json(&report, &hash_of(&prompts))?),
    ]);
    Ok(Answer {
        files,
        finding: report.finding(),
        warnings: report.warnings,
        seconds: BTreeMap::new(),
    })
}

/// What a model says next to a prompt, without files.
///
/// # Errors
/// When the model or the prompt cannot be used, or the observer interrupts.
///
/// # Complexity
/// As [`ask_prompt`].
pub fn run_prompt(
    model: &LoadedModel,
    question: &Prompt,
    (precision, prepend_bos): (Precision, PrependBos),
    observer: &dyn Observer,
) -> Result<PromptReport> {
    let prompts = tokens_of(model, question, prepend_bos)?;
    let tokens = (&prompts[0][..], prompts.get(1).map(Vec::as_slice));
    let tokenizer = model.tokenizer.as_ref();
    at_precision!(precision, model, |weights, bound| {
        let no_nodes = BTreeMap::new();
        let graph = ComputationGraph::new(&weights.config, &Granularity::default(), &no_nodes)?;
        let transformer = Transformer::new(weights, &graph).within(bound.map(Bound::room));
        ask_prompt(&transformer, tokenizer, tokens, question, observer)
    })
}

/// The tokens of the prompt, and of the other one.
fn tokens_of(
    model: &LoadedModel,
    question: &Prompt,
    prepend_bos: PrependBos,
) -> Result<Vec<Vec<u32>>> {
    if let Some(problem) = no_text(model.config()) {
        return Err(Error::model(&model.name, problem));
    }
    let tokenizer = model.require_tokenizer()?;
    let mut found = Vec::new();
    for (name, text) in [
        ("prompt", Some(&question.prompt)),
        ("compare", question.compare.as_ref()),
    ] {
        let Some(text) = text else { continue };
        if let Some(word) = tokenizer.unknown_in(text) {
            let problem = format!("it has {word:?}, which this tokenizer does not know");
            return Err(Error::data(name, problem));
        }
        let tokens = tokenizer.encode(text, prepend_bos)?;
        let longest = model.config().n_ctx;
        if tokens.is_empty() || tokens.len() > longest {
            let problem = format!(
                "it has {} tokens; the model reads 1 to {longest}",
                tokens.len()
            );
            return Err(Error::data(name, problem));
        }
        known(&tokens, model.config(), name)?;
        found.push(tokens);
    }
    Ok(found)
}
