//! `secateur eval`: a circuit file on a spec's task.

use std::slice;

use secateur::evaluate::SplitScores;
use secateur::report::{table, table_within, thousands};
use secateur::run::{Reevaluation, reevaluate};
use secateur::spec::read_specs;
use secateur::{Error, Result};

use crate::args::EvalArgs;
use crate::output;
use crate::table::{figure, with_interval};
use crate::ui::SingleUi;

pub(crate) fn eval(args: &EvalArgs, quiet: bool) -> Result<u8> {
    let mut set = read_specs(slice::from_ref(&args.spec));
    if let Some(error) = set.errors.pop() {
        return Err(error);
    }
    let spec = set
        .specs
        .pop()
        .ok_or_else(|| Error::Bug("a spec without mistakes was not read".into()))?;
    let ui = SingleUi::new(quiet);
    let (model, memory) = (args.model.as_deref(), args.memory.bytes());
    let result = reevaluate(&args.circuit, &spec, model, memory, &ui);
    ui.finish();
    let result = result?;
    if !quiet {
        for warning in result.all_warnings() {
            output::message(&output::warning_text(&warning));
        }
    }
    let text = if args.json {
        result.report_json()?
    } else {
        describe(&result)
    };
    output::data(text.as_bytes())?;
    Ok(0)
}

fn describe(result: &Reevaluation) -> String {
    let evaluation = &result.evaluation;
    let (held_out, discovery) = (&evaluation.held_out, &evaluation.discovery);
    let row = |name: &str, of: fn(&SplitScores) -> String| {
        vec![name.to_owned(), of(held_out), of(discovery)]
    };
    let rows = [
        row("examples", |split| split.examples.to_string()),
        row("metric, full model", |split| {
            figure(Some(split.metric_full))
        }),
        row("metric, nothing kept", |split| {
            figure(Some(split.metric_empty))
        }),
        row("metric, circuit", |split| {
            figure(Some(split.metric_circuit))
        }),
        row("faithfulness", |split| {
            with_interval(split.faithfulness, split.faithfulness_interval)
        }),
        row("accuracy, full model", |split| {
            with_interval(split.accuracy_full, split.accuracy_full_interval)
        }),
        row("accuracy, circuit", |split| {
            with_interval(split.accuracy_circuit, split.accuracy_circuit_interval)
        }),
        row("KL from the full model", |split| figure(split.kl_circuit)),
        row("faithfulness, random", |split| {
            figure(split.random.as_ref().map(|baseline| baseline.mean))
        }),
    ];
    format!(
        "{} on {}: {} of {} edges, {} of {} nodes\n{}",
        result.file.name,
        result.file.model.name,
        thousands(evaluation.edges_kept),
        thousands(evaluation.edges_total),
        evaluation.nodes_kept,
        evaluation.nodes_total,
        splits(&rows, output::columns())
    )
}

/// Both splits side by side, or below each other where that is too wide. Rows are a name and a figure of each split.
fn splits(rows: &[Vec<String>], columns: usize) -> String {
    let beside = table(&["", "held out", "discovery"], rows, 1);
    if beside.lines().all(|line| line.chars().count() <= columns) {
        return beside;
    }
    let names = rows.iter().map(|row| &row[0][..]);
    let names: Vec<&str> = std::iter::once("split").chain(names).collect();
    let below = [("held out", 1), ("discovery", 2)].map(|(split, column)| {
        let figures = rows.iter().map(|row| row[column].clone());
        std::iter::once(split.to_owned()).chain(figures).collect()
    });
    table_within(&names, &below, 1, columns)
}
