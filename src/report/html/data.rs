//! What the script of a circuit's page draws from: nodes, edges by rank, the measured curve, attention.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attention::AttentionExamples;
use super::circuit::CircuitPage;
use crate::evaluate::CurvePoint;
use crate::graph::{ComputationGraph, KeyValue, Node, Qkv, Reader, ranking};

/// A page holds this many edges of the ranking at most, and as many of the circuit.
pub const MOST_PAGE_EDGES: usize = 10_000;

/// The data of a page.
#[derive(Serialize)]
pub(crate) struct PageData<'a> {
    nodes: Vec<NodeData>,
    edges: EdgeData,
    /// Edges of the full graph.
    total: usize,
    /// Sum of `|score|` over all edges known.
    mass: f64,
    /// Whether the edges are the first of a ranking of all edges, not only those of the circuit.
    ranked: bool,
    /// Query heads that share k and v.
    group: usize,
    /// Names of the token spans; none where positions are merged.
    spans: Vec<String>,
    circuit: CircuitData,
    /// Sizes that were measured: edges asked for, edges left, faithfulness, its interval, accuracy.
    curve: Vec<SizeData>,
    attention: &'a AttentionExamples,
}

#[derive(Serialize)]
struct NodeData {
    /// Its name, with its span where there are spans.
    name: String,
    /// Its name without the span.
    node: String,
    span: Option<usize>,
    kind: &'static str,
    layer: Option<usize>,
    /// Number of the head or neuron.
    number: Option<usize>,
}

/// One entry an edge, by descending `|score|`.
#[derive(Serialize, Default)]
struct EdgeData {
    from: Vec<usize>,
    to: Vec<usize>,
    /// `q`, `k`, `v`, or `-` for nodes with one input.
    port: String,
    score: Vec<Option<f32>>,
    /// Place in the ranking, from 1; none without scores.
    rank: Vec<Option<usize>>,
    /// Measured change of the metric when it was removed, where the search measured it.
    effect: Option<Vec<Option<f32>>>,
    /// 1 for edges of the circuit found, 0 for others.
    kept: String,
}

#[derive(Serialize)]
struct CircuitData {
    edges: usize,
    faithfulness: Option<f64>,
    interval: Option<[f64; 2]>,
    accuracy: Option<f64>,
}

#[derive(Serialize)]
struct SizeData {
    asked: usize,
    edges: usize,
    faithfulness: Option<f64>,
    interval: Option<[f64; 2]>,
    accuracy: f64,
}

impl<'a> PageData<'a> {
    /// The data of a circuit; `attention` is what there is of it.
    pub(crate) fn new(page: &CircuitPage<'_>, attention: &'a AttentionExamples) -> Self {
        let (graph, circuit) = (page.graph, page.circuit);
        let scores = circuit.scores.as_deref();
        let mut kept = circuit.kept.edges(graph);
        let (mut chosen, mut ranks) = (Vec::new(), BTreeMap::new());
        if let Some(scores) = scores {
            kept.sort_by(|&a, &b| scores[b].abs().total_cmp(&scores[a].abs()).then(a.cmp(&b)));
            kept.truncate(MOST_PAGE_EDGES);
            let order = if page.run.is_some() {
                ranking(scores, true)
            } else {
                kept.clone()
            };
            ranks.extend(
                order
                    .iter()
                    .zip(1_usize..)
                    .map(|(&edge, rank)| (edge, rank)),
            );
            chosen.extend(order.into_iter().take(MOST_PAGE_EDGES));
        }
        kept.truncate(MOST_PAGE_EDGES);
        let first = chosen.len();
        let rest = kept.iter().copied();
        let is_first: std::collections::BTreeSet<usize> = chosen.iter().copied().collect();
        chosen.extend(rest.filter(|edge| !is_first.contains(edge)));
        chosen[first..].sort_by_key(|edge| ranks.get(edge).copied());

        let mut effects = BTreeMap::new();
        if let Some(trace) = page.run.as_ref().and_then(|run| run.trace) {
            let tested = trace.iter().filter(|decision| decision.tested);
            effects.extend(tested.map(|decision| (decision.edge, decision.change as f32)));
        }
        let nodes = nodes(graph, &chosen);
        let mut edges = EdgeData::default();
        for &edge in &chosen {
            let (writer, reader) = graph.ends(edge);
            let is_kept = circuit.kept.contains(writer, reader);
            let reader = graph.readers()[reader];
            let span = graph.span_of(writer);
            edges.from.push(nodes[&(graph.writers()[writer], span)]);
            edges.to.push(nodes[&(reader.node(), span)]);
            edges.kept.push(if is_kept { '1' } else { '0' });
            edges.port.push(match reader {
                Reader::Head {
                    part: Some(Qkv::Q), ..
                } => 'q',
                Reader::Head {
                    part: Some(Qkv::K), ..
                } => 'k',
                Reader::Head {
                    part: Some(Qkv::V), ..
                } => 'v',
                _ => '-',
            });
            edges.score.push(scores.map(|scores| scores[edge] as f32));
            edges.rank.push(ranks.get(&edge).copied());
        }
        if !effects.is_empty() {
            let effects = chosen.iter().map(|edge| effects.get(edge).copied());
            edges.effect = Some(effects.collect());
        }
        let figures = page.run.as_ref().map(|run| &run.evaluation.held_out);
        let named = |name: &str| page.file.figures.get(name).copied();
        let total = graph.edge_count();
        Self {
            nodes: nodes
                .keys()
                .map(|node| NodeData::new(node, graph))
                .collect(),
            edges,
            total,
            mass: scores.map_or(0.0, |scores| scores.iter().map(|score| score.abs()).sum()),
            ranked: page.run.is_some() && scores.is_some(),
            group: match page.file.granularity.kv {
                KeyValue::Group => page.file.model.config.group_size(),
                KeyValue::PerHead => 1,
            },
            spans: graph.spans().to_vec(),
            circuit: CircuitData {
                edges: circuit.kept.len(),
                faithfulness: named("faithfulness"),
                interval: figures.and_then(|figures| figures.faithfulness_interval),
                accuracy: named("accuracy_circuit"),
            },
            curve: figures
                .and_then(|figures| figures.curve.as_deref())
                .unwrap_or_default()
                .iter()
                .map(|point| SizeData::new(point, total))
                .collect(),
            attention,
        }
    }
}

impl NodeData {
    fn new(&(node, span): &(Node, Option<usize>), graph: &ComputationGraph) -> Self {
        let (kind, number) = match node {
            Node::Input | Node::Position | Node::Logits => ("end", None),
            Node::Head { head, .. } => ("head", Some(head)),
            Node::Mlp { .. } => ("mlp", None),
            Node::Neuron { neuron, .. } => ("neuron", Some(neuron)),
            Node::Feature { feature, .. } => ("feature", Some(feature)),
            Node::Error { .. } => ("error", None),
        };
        Self {
            name: match span {
                Some(span) => format!("{node}@{}", graph.spans()[span]),
                None => node.to_string(),
            },
            node: node.to_string(),
            span,
            kind,
            layer: node.layer(),
            number,
        }
    }
}

impl SizeData {
    fn new(point: &CurvePoint, total: usize) -> Self {
        Self {
            asked: (point.share * total as f64) as usize,
            edges: point.edges,
            faithfulness: point.faithfulness,
            interval: point.interval,
            accuracy: point.accuracy,
        }
    }
}

/// Numbers of the nodes that edges touch, the ends of the model always among them.
fn nodes(graph: &ComputationGraph, edges: &[usize]) -> BTreeMap<(Node, Option<usize>), usize> {
    let mut nodes = BTreeMap::new();
    if graph.spans().is_empty() {
        nodes.extend([Node::Input, Node::Logits].map(|node| ((node, None), 0)));
    }
    for &edge in edges {
        let (writer, reader) = graph.ends(edge);
        let span = graph.span_of(writer);
        nodes.insert((graph.writers()[writer], span), 0);
        nodes.insert((graph.readers()[reader].node(), span), 0);
    }
    for (number, index) in nodes.values_mut().enumerate() {
        *index = number;
    }
    nodes
}
