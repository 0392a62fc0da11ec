//! From a circuit to the text of `circuit.json`.

use std::collections::BTreeSet;

use serde_json::json;

use crate::error::{Error, Result};
use crate::graph::{
    Circuit, ComputationGraph, Heads, KeyValue, Node, PositionEmbedding, Qkv, Reader,
};
use crate::model::ModelConfig;
use crate::report::circuit::limits::EdgeIndex;
use crate::report::text::Text;

/// The text of `circuit.json`, in EAP-IG's order of nodes and edges.
///
/// Under `kv: Group` each copy of a k or v edge has the group's score and membership; an edge into a whole head gives
/// its q, k and v. Without scores they are 0.
///
/// # Errors
/// When the graph has nodes that the format does not know: neurons of the hidden layer, or `pos`.
pub fn to_eap_json(
    graph: &ComputationGraph,
    circuit: &Circuit,
    config: &ModelConfig,
) -> Result<String> {
    if !graph.neurons().is_empty() {
        return Err(Error::Usage(
            "EAP-IG's graph format has no hidden units as nodes (its neurons are coordinates of the residual \
             stream): leave `Json` out of the outputs, or use `mlps: Whole`"
                .into(),
        ));
    }
    if graph.writers().contains(&Node::Position) {
        return Err(Error::Usage(format!(
            "EAP-IG's graph format has no node `pos`: leave `Json` out of the outputs, or use `position_embedding: {:?}`",
            PositionEmbedding::Free
        )));
    }
    let mut out = Text::default();
    // Written by hand: serde_json's maps would sort the nodes and edges.
    out.line(format_args!(
        "{{\"cfg\": {{\"n_layers\": {}, \"n_heads\": {}, \"parallel_attn_mlp\": {}, \"d_model\": {}}}, \"nodes\": {{",
        config.n_layers, config.n_heads, config.parallel_blocks, config.d_model
    ));
    let used = nodes_kept(graph, circuit);
    let nodes = graph.writers().iter().chain([&Node::Logits]);
    let lines: Vec<String> = nodes
        .map(|node| format!("\"{node}\": {{\"in_graph\": {}}}", used.contains(node)))
        .collect();
    out.line(format_args!("{}", lines.join(",\n")));
    out.line(format_args!("}}, \"edges\": {{"));
    let mut lines = Vec::new();
    let index = EdgeIndex::new(graph);
    for name in edge_names(graph, config) {
        let edge = index.edge(&own_name(graph, config, &name))?;
        let (writer, reader) = graph.ends(edge);
        let score = circuit.scores.as_ref().map_or(0.0, |scores| scores[edge]);
        lines.push(format!(
            "\"{}->{}\": {{\"score\": {}, \"in_graph\": {}}}",
            name.0,
            name.1,
            json!(score),
            circuit.kept.contains(writer, reader)
        ));
    }
    out.line(format_args!("{}", lines.join(",\n")));
    out.line(format_args!("}}}}"));
    Ok(out.0)
}

/// Nodes with a kept edge; under `kv: Group` an edge into k or v belongs to the heads of the group that write.
fn nodes_kept(graph: &ComputationGraph, circuit: &Circuit) -> BTreeSet<Node> {
    let mut used = BTreeSet::from([Node::Input, Node::Logits]);
    for (reader, place) in graph.readers().iter().enumerate() {
        let mut any = false;
        for writer in circuit.kept.writers_into(reader) {
            used.insert(graph.writers()[writer]);
            any = true;
        }
        if any && let Reader::Head { .. } = place {
            used.extend(
                graph
                    .outputs(reader)
                    .iter()
                    .map(|&head| graph.writers()[head]),
            );
        } else if any {
            used.insert(place.node());
        }
    }
    used
}

/// Every edge of EAP-IG's graph in its order: per layer each writer into each head's q, k and v, then into the MLP.
pub(crate) fn edge_names(
    graph: &ComputationGraph,
    config: &ModelConfig,
) -> impl Iterator<Item = (Node, Reader)> {
    let mut targets: Vec<Vec<Reader>> = Vec::new();
    for layer in 0..config.n_layers {
        let heads = (0..config.n_heads).flat_map(|head| {
            [Qkv::Q, Qkv::K, Qkv::V].map(|part| Reader::Head {
                layer,
                head,
                part: Some(part),
            })
        });
        targets.push(heads.collect());
        targets.push(vec![Reader::Mlp { layer }]);
    }
    targets.push(vec![Reader::Logits]);
    let (heads, parallel) = (config.n_heads, config.parallel_blocks);
    targets
        .into_iter()
        .enumerate()
        .flat_map(move |(stage, targets)| {
            // One writer per head and MLP so far, and `input`.
            let layers = (stage / 2) * (heads + 1) + 1;
            let before = if stage % 2 == 1 && !parallel {
                layers + heads
            } else {
                layers
            };
            let writers = graph.writers()[..before].iter();
            writers
                .flat_map(move |&writer| {
                    let targets = targets.clone();
                    targets.into_iter().map(move |reader| (writer, reader))
                })
                .collect::<Vec<_>>()
        })
}

/// The name of the edge of `graph` that a copy in EAP-IG's graph stands for.
pub(crate) fn own_name(
    graph: &ComputationGraph,
    config: &ModelConfig,
    &(writer, reader): &(Node, Reader),
) -> String {
    let own = match reader {
        Reader::Head { layer, head, .. } if graph.granularity().heads == Heads::Whole => {
            Reader::Head {
                layer,
                head,
                part: None,
            }
        }
        Reader::Head {
            layer,
            head,
            part: part @ Some(Qkv::K | Qkv::V),
        } if graph.granularity().kv == KeyValue::Group => Reader::Head {
            layer,
            head: head - head % config.group_size(),
            part,
        },
        other => other,
    };
    format!("{writer}->{own}")
}
