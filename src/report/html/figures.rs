//! The figures of an evaluation, each with what it means.

use super::escape::html;
use super::page::Grid;
use crate::evaluate::{Baseline, Evaluation, SplitScores};
use crate::report::text::{short, thousands};

/// Names and meanings of the figures, in the order of the page.
const MEANINGS: [(&str, &str); 12] = [
    (
        "metric_full",
        "The metric of the full model, mean over prompts.",
    ),
    ("metric_empty", "The metric with every edge ablated."),
    (
        "metric_circuit",
        "The metric with the circuit's edges alone; all others are ablated.",
    ),
    (
        "faithfulness",
        "(circuit - empty) / (full - empty): 1 is as good as the full model, 0 as bad as no circuit. With its 95 % interval over prompts.",
    ),
    (
        "accuracy_full",
        "Share of prompts whose most likely token is an answer, full model.",
    ),
    ("accuracy_circuit", "The same of the circuit."),
    (
        "kl_circuit",
        "KL(full model || circuit) in nats, mean over prompts: 0 if their predictions are the same.",
    ),
    (
        "cpr",
        "Area under the faithfulness of circuits by size, edges with the largest score first; larger is better.",
    ),
    (
        "cmd",
        "Area between 1 and the faithfulness of circuits by size, edges with the largest |score| first; smaller is better.",
    ),
    (
        "random",
        "Mean and largest faithfulness of random connected circuits of as many edges: what chance gives.",
    ),
    ("permuted", "The same of circuits from permuted scores."),
    (
        "near_ties",
        "Decisions of the search that were closer to its threshold than 1e-5 of the metric's range.",
    ),
];

/// A figure with its interval.
type Ranged = (Option<f64>, Option<[f64; 2]>);

fn meaning(name: &str) -> &'static str {
    let found = MEANINGS.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, meaning)| meaning)
}

/// All figures of an evaluation.
pub(crate) fn of_evaluation(evaluation: &Evaluation) -> String {
    let (held_out, discovery) = (&evaluation.held_out, &evaluation.discovery);
    let row = |name: &str, values: [Option<String>; 2]| {
        let cells = values.map(|value| value.unwrap_or_else(|| "\u{2013}".into()));
        let [first, second] = cells;
        vec![html(name), first, second, html(meaning(name))]
    };
    let number =
        |of: fn(&SplitScores) -> Option<f64>| [held_out, discovery].map(|it| of(it).map(short));
    let ranged = |of: fn(&SplitScores) -> Ranged| {
        [held_out, discovery].map(|it| {
            let (value, interval) = of(it);
            value.map(|value| match interval {
                Some([low, high]) => format!("{} [{}, {}]", short(value), short(low), short(high)),
                None => short(value),
            })
        })
    };
    let baseline = |of: fn(&SplitScores) -> &Option<Baseline>| {
        [held_out, discovery].map(|it| {
            let baseline = of(it).as_ref();
            baseline.map(|it| format!("{} (largest {})", short(it.mean), short(it.max)))
        })
    };
    let counts = |kept: usize, total: usize| {
        [
            Some(format!("{} of {}", thousands(kept), thousands(total))),
            None,
        ]
    };
    let mut rows = vec![
        vec![
            "prompts".into(),
            thousands(held_out.examples),
            thousands(discovery.examples),
            "Prompts that the figures are of; the search saw those for discovery only.".into(),
        ],
        row(
            "edges",
            counts(evaluation.edges_kept, evaluation.edges_total),
        ),
        row(
            "nodes",
            counts(evaluation.nodes_kept, evaluation.nodes_total),
        ),
        row("metric_full", number(|it| Some(it.metric_full))),
        row("metric_empty", number(|it| Some(it.metric_empty))),
        row("metric_circuit", number(|it| Some(it.metric_circuit))),
        row(
            "faithfulness",
            ranged(|it| (it.faithfulness, it.faithfulness_interval)),
        ),
        row(
            "accuracy_full",
            ranged(|it| (it.accuracy_full, it.accuracy_full_interval)),
        ),
        row(
            "accuracy_circuit",
            ranged(|it| (it.accuracy_circuit, it.accuracy_circuit_interval)),
        ),
        row("kl_circuit", number(|it| it.kl_circuit)),
        row("cpr", ranged(|it| (it.cpr, it.cpr_interval))),
        row("cmd", ranged(|it| (it.cmd, it.cmd_interval))),
        row("random", baseline(|it| &it.random)),
        row("permuted", baseline(|it| &it.permuted)),
        row("near_ties", [Some(thousands(evaluation.near_ties)), None]),
    ];
    rows[1][3] = "Edges of the circuit, and of the full graph.".into();
    rows[2][3] = "Writers with an edge in the circuit, and in the full graph.".into();
    Grid {
        caption: "Results on held-out prompts, and on those for discovery",
        headings: &["figure", "held-out", "discovery", "meaning"],
        rows,
        numbers: 1..3,
    }
    .html()
}

/// The figures that a circuit file names.
pub(crate) fn of_file(figures: &std::collections::BTreeMap<String, f64>) -> String {
    let rows = figures.iter().map(|(name, value)| {
        let plain = name.strip_prefix("discovery.").unwrap_or(name);
        vec![html(name), short(*value), html(meaning(plain))]
    });
    Grid {
        caption: "Results in the circuit file",
        headings: &["figure", "value", "meaning"],
        rows: rows.collect(),
        numbers: 1..2,
    }
    .html()
}
