//! `report.html` of a circuit: what the job knows, put together for the page.

use super::pipeline::Outcome;
use crate::error::Result;
use crate::model::{LoadedModel, Tokenizer};
use crate::report::{
    AttentionExamples, CircuitFile, CircuitPage, Figure, PromptText, RunDetails, circuit_html,
};
use crate::spec::{RunSpec, ron_line};
use crate::task::Example;
use crate::version::VERSION;

/// The page.
///
/// # Errors
/// When the circuit file describes no circuit.
pub(crate) fn page(
    spec: &RunSpec,
    model: &LoadedModel,
    file: &CircuitFile,
    outcome: &Outcome,
) -> Result<String> {
    let tokenizer = model.tokenizer.as_ref();
    let prompts: Vec<PromptText> = outcome
        .judged
        .iter()
        .map(|example| prompt(example, tokenizer))
        .collect();
    let attention = outcome
        .attention
        .as_ref()
        .map_or_else(AttentionExamples::default, |seen| seen.examples(tokenizer));
    // Where a model lies is of no matter to the result.
    let spec = ron_line(&RunSpec {
        models: vec![file.model.name.clone()],
        ..spec.clone()
    });
    let page = CircuitPage {
        file,
        graph: &outcome.graph,
        circuit: &outcome.circuit,
        run: Some(RunDetails {
            evaluation: &outcome.evaluation,
            trace: outcome.trace.as_deref(),
            prompts: &prompts,
            attention: &attention,
            warnings: &outcome.warnings,
            spec: &spec,
            secateur: VERSION,
        }),
    };
    circuit_html(&page, &Figure::new(file)?)
}

/// An example as text; without a tokenizer as numbers of tokens.
fn prompt(example: &Example, tokenizer: Option<&Tokenizer>) -> PromptText {
    let text = |tokens: &[u32]| match tokenizer {
        Some(tokenizer) => tokenizer.decode(tokens),
        None => format!("{tokens:?}"),
    };
    let answer = if example.teacher_forced {
        text(&example.answer)
    } else {
        let answers = example.answer.iter();
        let answers: Vec<String> = answers.map(|&token| text(&[token])).collect();
        answers.join(" | ")
    };
    PromptText {
        clean: match &example.text {
            Some(shown) => shown.clean.clone(),
            None => text(&example.clean),
        },
        answer,
    }
}
