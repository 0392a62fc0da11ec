//! The result of an analysis of features: text for people, tables, a file of the circuit, and its drawing.

use super::{FeatureCircuitReport, NodeScores, Share};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::report::circuit::features_file::{counted, draw};
use crate::report::circuit::figure::Figure;
use crate::report::circuit::style::Style;
use crate::report::csv::{field, number};
use crate::report::effect::{percent, share_with_interval, shares};
use crate::report::table::table;
use crate::report::text::{Text, clip, number_of, one_line, short, thousands};

/// Nodes and edges that the text shows.
const SHOWN: usize = 40;
/// Characters of a context that the text shows.
const CONTEXT: usize = 50;

/// The result as text; `about` says of what.
pub fn feature_circuit_text(report: &FeatureCircuitReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let rows = report.dictionaries.iter().map(|it| {
        let explained = it.variance_explained;
        vec![
            format!("{:?} of layer {}", it.of, it.layer),
            thousands(it.features),
            format!("{:.1}", it.l0),
            explained.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share)),
            thousands(it.features_active),
            thousands(it.features_kept),
            if it.error_kept { "kept" } else { "" }.to_owned(),
        ]
    });
    let head = [
        "dictionary",
        "features",
        "L0",
        "variance",
        "active",
        "kept",
        "error",
    ];
    out.0 += &table(&head, &rows.collect::<Vec<_>>(), 1);
    out.line(format_args!(""));
    let [features, errors] = report.kept();
    out.line(format_args!(
        "{} and {} of {} nodes, of which {} differ on the {} discovery pairs",
        number_of(features, "feature"),
        number_of(errors, "error"),
        thousands(report.nodes_total),
        thousands(report.nodes_active),
        report.examples_discovery
    ));
    let accuracy = |of: usize| {
        share_with_interval(&Effect {
            mean: report.accuracy[of],
            interval: report.accuracy_interval[of],
        })
    };
    out.line(format_args!(
        "metric on {} held-out pairs: {} full model, {} all nodes ablated, {} circuit; accuracy {} and {} of the circuit",
        report.examples,
        short(report.metric_full),
        short(report.metric_empty),
        short(report.metric_circuit),
        accuracy(0),
        accuracy(1)
    ));
    out.line(format_args!(""));
    let mut rows = vec![
        share("circuit", &report.faithfulness),
        share("  without its errors", &report.without_errors),
        share("  its errors alone", &report.errors_alone),
        share("all features, no errors", &report.all_features),
        share("all but the circuit", &report.complement),
    ];
    if !report.random.is_empty() {
        let mean = report.random.iter().sum::<f64>() / report.random.len() as f64;
        let most = report.random.iter().copied().fold(f64::MIN, f64::max);
        rows.push(vec![
            "its errors, random features".into(),
            format!(
                "{} (largest of {}: {})",
                percent(mean),
                report.random.len(),
                percent(most)
            ),
        ]);
    }
    out.0 += &table(&["kept", "faithfulness"], &rows, 1);
    out.line(format_args!(""));
    let rows: Vec<Vec<String>> = report.nodes.iter().take(SHOWN).map(node_row).collect();
    out.0 += &table(&["node", "score", "effect", "most active at"], &rows, 3);
    if report.nodes.len() > SHOWN {
        let left = report.nodes.len() - SHOWN;
        out.line(format_args!("and {} more in nodes.csv", thousands(left)));
    }
    if !report.edges.is_empty() {
        out.line(format_args!(""));
        let edges = report.edges.iter().take(SHOWN);
        let rows = edges.map(|it| vec![it.from.clone(), it.to.clone(), short(it.score)]);
        out.0 += &table(&["from", "to", "score"], &rows.collect::<Vec<_>>(), 2);
    }
    out.0
}

fn share(what: &str, share: &Share) -> Vec<String> {
    let value = match (share.value, share.interval) {
        (None, _) => "undefined".into(),
        (Some(value), None) => percent(value),
        (Some(value), Some(interval)) => shares(value, interval),
    };
    vec![what.to_owned(), value]
}

fn node_row(node: &NodeScores) -> Vec<String> {
    let effect = node.effect.map_or_else(String::new, |effect| {
        let interval = effect.interval.map_or_else(String::new, |[low, high]| {
            format!(" [{}, {}]", short(low), short(high))
        });
        format!("{}{interval}", short(effect.mean))
    });
    vec![node.node.clone(), short(node.score), effect, contexts(node)]
}

/// Where a node is most active, in one line.
fn contexts(node: &NodeScores) -> String {
    let contexts = node.contexts.iter().take(2).map(|context| {
        let before: Vec<char> = one_line(&context.before).chars().collect();
        let from = before.len().saturating_sub(CONTEXT / 2);
        let before: String = before[from..].iter().collect();
        clip(&format!("{before}[{}]", one_line(&context.token)), CONTEXT)
    });
    contexts.collect::<Vec<_>>().join(" | ")
}

/// The nodes of the circuit, one a row.
pub fn feature_nodes_csv(report: &FeatureCircuitReport) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "node,score,effect,low,high,activation,before,token"
    ));
    for node in &report.nodes {
        let effect = node.effect.map(|effect| number(effect.mean));
        let [low, high] = node
            .effect
            .and_then(|effect| effect.interval)
            .map_or_else(Default::default, |it| it.map(number));
        let first = node.contexts.first();
        let [activation, before, token] = first.map_or_else(Default::default, |context| {
            [
                number(context.activation),
                field(&context.before),
                field(&context.token),
            ]
        });
        out.line(format_args!(
            "{},{},{},{low},{high},{activation},{before},{token}",
            node.node,
            number(node.score),
            effect.unwrap_or_default()
        ));
    }
    out.0
}

/// The edges, one a row.
pub fn feature_edges_csv(report: &FeatureCircuitReport) -> String {
    let mut out = Text::default();
    out.line(format_args!("from,to,score"));
    for edge in &report.edges {
        out.line(format_args!(
            "{},{},{}",
            edge.from,
            edge.to,
            number(edge.score)
        ));
    }
    out.0
}

/// The circuit as a figure: its strongest nodes in the order in which the model computes them, with the contexts of their
/// features, and the edges among them.
///
/// # Errors
/// When a name is not one of a node, which is a bug.
pub fn features_figure(report: &FeatureCircuitReport, title: &str, about: &str) -> Result<Figure> {
    let nodes = report.nodes.iter().map(|node| {
        let about = format!("{} ({})", node.node, short(node.score));
        let contexts = contexts(node);
        let about = if contexts.is_empty() {
            about
        } else {
            format!("{about}: {contexts}")
        };
        (&node.node[..], about)
    });
    let caption = format!(
        "{} · {}",
        clip(about, 160),
        counted(report.kept(), report.faithfulness.value)
    );
    draw((title, &caption), nodes, &report.edges, Style::default())
        .map_err(|error| Error::Bug(error.to_string()))
}
