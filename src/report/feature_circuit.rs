//! The result of an analysis of features: text for people, tables, a file of the circuit, and its drawing.

use std::collections::BTreeMap;

use ron::extensions::Extensions;
use serde::Serialize;

use super::csv::{field, number};
use super::effect::{percent, shares};
use super::figure::{Figure, FigureEdge, FigureNode, Port};
use super::figure_nodes::row;
use super::style::Style;
use super::table::table;
use super::text::{Text, clip, one_line, short, thousands};
use crate::analyze::feature_circuit::{FeatureCircuitReport, FeatureEdge, NodeFigures, Share};
use crate::error::{Error, Result};
use crate::graph::Node;

/// Nodes and edges that the text shows.
const SHOWN: usize = 40;
/// Characters of a context that the text shows.
const CONTEXT: usize = 50;
/// Nodes that are drawn at most, those with the largest `|score|`.
const DRAWN: usize = 80;

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
        "{} features and {errors} errors of {} nodes, of which {} differ on the {} discovery pairs",
        thousands(features),
        thousands(report.nodes_total),
        thousands(report.nodes_active),
        report.examples_discovery
    ));
    out.line(format_args!(
        "metric on {} held-out pairs: {} full model, {} all nodes replaced, {} circuit; accuracy {} and {} of the circuit",
        report.examples,
        short(report.metric_full),
        short(report.metric_empty),
        short(report.metric_circuit),
        percent(report.accuracy[0]),
        percent(report.accuracy[1])
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

fn node_row(node: &NodeFigures) -> Vec<String> {
    let effect = node.effect.map_or_else(String::new, |effect| {
        let interval = effect.interval.map_or_else(String::new, |[low, high]| {
            format!(" [{}, {}]", short(low), short(high))
        });
        format!("{}{interval}", short(effect.mean))
    });
    vec![node.node.clone(), short(node.score), effect, contexts(node)]
}

/// Where a node is most active, in one line.
fn contexts(node: &NodeFigures) -> String {
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

/// Where a circuit of features comes from.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureStamp<'s> {
    /// The model.
    pub model: &'s str,
    /// Its hash.
    pub model_hash: &'s str,
    /// The spec in one line.
    pub spec: &'s str,
    /// Hashes of the data and of the dictionaries.
    pub data_hash: &'s str,
}

/// The text of `features.ron`: where the circuit comes from, its figures on held-out pairs, nodes and edges with scores.
///
/// # Errors
/// Never for values of this type; the serialiser's signature allows it.
pub fn features_ron(report: &FeatureCircuitReport, stamp: &FeatureStamp<'_>) -> Result<String> {
    #[derive(Serialize)]
    struct File<'f> {
        format: u32,
        source: &'f FeatureStamp<'f>,
        figures: BTreeMap<&'static str, f64>,
        nodes: Vec<Entry<'f>>,
        edges: &'f [FeatureEdge],
    }
    #[derive(Serialize)]
    struct Entry<'f> {
        node: &'f str,
        score: f64,
    }
    let shares = [
        ("faithfulness", report.faithfulness.value),
        ("faithfulness_without_errors", report.without_errors.value),
        ("faithfulness_complement", report.complement.value),
        ("metric_circuit", Some(report.metric_circuit)),
        ("metric_empty", Some(report.metric_empty)),
        ("metric_full", Some(report.metric_full)),
    ];
    let nodes = report.nodes.iter().map(|it| Entry {
        node: &it.node,
        score: it.score,
    });
    let file = File {
        format: 1,
        source: stamp,
        figures: shares
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        nodes: nodes.collect(),
        edges: &report.edges,
    };
    let style = ron::ser::PrettyConfig::new().new_line("\n").depth_limit(2);
    let options = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    let mut text = options
        .to_string_pretty(&file, style)
        .map_err(|error| Error::Bug(format!("features.ron: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// The circuit as a figure: its strongest nodes in the order in which the model computes them, and the edges among them.
///
/// # Errors
/// When a name is not one of a node, which is a bug.
pub fn features_figure(report: &FeatureCircuitReport, title: &str, about: &str) -> Result<Figure> {
    let parse = |name: &str| name.parse::<Node>().map_err(Error::Bug);
    let mut nodes = vec![(Node::Logits, None)];
    for node in report.nodes.iter().take(DRAWN) {
        let about = format!("{} ({})", node.node, short(node.score));
        let contexts = contexts(node);
        let about = if contexts.is_empty() {
            about
        } else {
            format!("{about}: {contexts}")
        };
        nodes.push((parse(&node.node)?, Some(about)));
    }
    let mut rows: Vec<usize> = nodes.iter().map(|(node, _)| row(node)).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut nodes: Vec<FigureNode> = nodes
        .into_iter()
        .map(|(node, about)| FigureNode {
            node,
            label: node.to_string(),
            rank: rows.partition_point(|&other| other < row(&node)),
            group: None,
            column: None,
            is_source: false,
            ports: None,
            writes: true,
            role: None,
            about,
        })
        .collect();
    nodes.sort_by_key(|it| (it.rank, it.node));
    let index: BTreeMap<Node, usize> = nodes.iter().map(|it| it.node).zip(0..).collect();
    let mut edges = Vec::new();
    for edge in &report.edges {
        let ends = (index.get(&parse(&edge.from)?), index.get(&parse(&edge.to)?));
        let (Some(&from), Some(&to)) = ends else {
            continue;
        };
        edges.push(FigureEdge {
            from,
            to,
            port: Port::Only,
            score: Some(edge.score),
            tooltip: format!("{}->{}: {}", edge.from, edge.to, short(edge.score)),
        });
    }
    edges.sort_by_key(|it| (it.from, it.to));
    let largest = edges.iter().filter_map(|it| it.score).map(f64::abs);
    let [features, errors] = report.kept();
    let faithfulness = report.faithfulness.value.map_or_else(String::new, |value| {
        format!(" · faithfulness\u{a0}{value:.2}")
    });
    let drawn = if report.nodes.len() > DRAWN {
        format!(" · the {DRAWN} strongest drawn")
    } else {
        String::new()
    };
    Ok(Figure {
        title: clip(title, 120),
        caption: format!(
            "{} · {features}\u{a0}features, {errors}\u{a0}errors{faithfulness}{drawn}",
            clip(about, 160)
        ),
        largest: largest.fold(0.0, f64::max),
        nodes,
        edges,
        grouped: false,
        bundled: false,
        columns: Vec::new(),
        style: Style::default(),
    })
}
