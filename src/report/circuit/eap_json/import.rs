//! From a graph file to a circuit in a model's graph.

use super::EapGraph;
use super::write::{edge_names, own_name};
use crate::error::{Error, Result};
use crate::graph::{
    Circuit, ComputationGraph, Dangling, EdgeMask, Granularity, KeyValue, NeuronNodes, Node, Qkv,
    Reader,
};
use crate::model::ModelConfig;
use crate::report::circuit::limits::EdgeIndex;

/// A circuit read from such a file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The full graph, at the granularity that holds the circuit.
    pub graph: ComputationGraph,
    /// The circuit, without dangling parts.
    pub circuit: Circuit,
    /// What the reader should know, in words.
    pub notes: Vec<String>,
}

impl EapGraph {
    /// The circuit in a model's graph.
    ///
    /// Dangling parts go, as in EAP-IG. With `kv: Group` scores of copies are added; where the copies of an edge
    /// differ in membership other than at heads without outgoing edges, the circuit is loaded as `PerHead`, and a note
    /// says so.
    ///
    /// # Errors
    /// When the model has another shape, or the file's edges are not those of its graph.
    pub fn import(&self, config: &ModelConfig, kv: KeyValue) -> Result<Imported> {
        self.check_model(config)?;
        let build = |kv| {
            let granularity = Granularity {
                kv,
                ..Granularity::default()
            };
            ComputationGraph::new(config, &granularity, &NeuronNodes::new())
        };
        let graph = build(KeyValue::PerHead)?;
        let mut notes = Vec::new();
        let (copies, mut dropped) = self.per_head(&graph, config, &mut notes)?;
        let mut imported = Imported {
            graph,
            circuit: copies,
            notes,
        };
        if kv == KeyValue::Group {
            let group = build(kv)?;
            let index = EdgeIndex::new(&group);
            match join_copies(&imported, &group, &index, config) {
                Ok(circuit) => {
                    // A copy into a head without outgoing edges stands for the group's edge.
                    let stays = |&edge: &usize| {
                        index
                            .edge(&own_name(&group, config, &ends(&imported.graph, edge)))
                            .is_ok_and(|own| {
                                let (writer, reader) = group.ends(own);
                                circuit.kept.contains(writer, reader)
                            })
                    };
                    dropped.retain(|edge| !stays(edge));
                    imported.circuit = circuit;
                    imported.graph = group;
                }
                Err(edge) => imported.notes.push(format!(
                    "loaded with `kv: PerHead`: the heads that share the input of `{edge}` do not all keep it"
                )),
            }
        }
        if !dropped.is_empty() {
            imported.notes.push(format!(
                "kept edges left out, on no path from `input` to `logits`: {}",
                dropped.len()
            ));
        }
        Ok(imported)
    }

    fn check_model(&self, config: &ModelConfig) -> Result<()> {
        let own = self.model_config();
        let width = self.cfg.d_model.is_none_or(|width| width == config.d_model);
        if (own.n_layers, own.n_heads, own.parallel_blocks)
            != (config.n_layers, config.n_heads, config.parallel_blocks)
            || !width
        {
            return Err(Error::data(
                self.file_name.clone(),
                format!(
                    "a circuit of {} layers of {} heads, width {}, parallel blocks {}; the model has {}, {}, {}, {}",
                    own.n_layers,
                    own.n_heads,
                    own.d_model,
                    own.parallel_blocks,
                    config.n_layers,
                    config.n_heads,
                    config.d_model,
                    config.parallel_blocks
                ),
            ));
        }
        Ok(())
    }

    /// The circuit in EAP-IG's own graph, without dangling parts, and the edges dropped as such.
    fn per_head(
        &self,
        graph: &ComputationGraph,
        config: &ModelConfig,
        notes: &mut Vec<String>,
    ) -> Result<(Circuit, Vec<usize>)> {
        let mut kept = EdgeMask::empty(graph);
        let mut scores = self
            .edges
            .values()
            .any(|edge| edge.score.is_some())
            .then(|| vec![0.0; graph.edge_count()]);
        let index = EdgeIndex::new(graph);
        let (mut outside, mut unscored) = (0, 0);
        for (writer, reader) in edge_names(graph, config) {
            let name = format!("{writer}->{reader}");
            let entry = self.edges.get(&name).ok_or_else(|| {
                Error::data(self.file_name.clone(), format!("edge `{name}` is missing"))
            })?;
            let edge = index.edge(&name)?;
            match (&mut scores, entry.score) {
                (Some(scores), Some(score)) => scores[edge] = score,
                _ => unscored += 1,
            }
            let inside = self.has_node(writer)? && self.has_node(reader.node())?;
            if entry.in_graph {
                if inside {
                    let (writer, reader) = graph.ends(edge);
                    kept.insert(writer, reader);
                } else {
                    outside += 1;
                }
            }
        }
        // A ranking of equal scores is the order of the edges, which says nothing.
        let empty = scores
            .as_ref()
            .is_some_and(|scores| scores.iter().all(|score| score.abs() <= 0.0));
        if empty || scores.is_none() {
            let what = if empty {
                "every score is 0"
            } else {
                "there are no scores"
            };
            scores = None;
            notes.push(format!(
                "{what}: the circuit is drawn without them, and edges have no order, so there is no curve"
            ));
        }
        if let (Some(_), missing @ 1..) = (&scores, unscored) {
            notes.push(format!(
                "edges without a score, which count as 0: {missing} of {}",
                graph.edge_count()
            ));
        }
        if outside > 0 {
            notes.push(format!(
                "kept edges left out, of nodes that are not in the graph: {outside}"
            ));
        }
        let mut dropped = kept.edges(graph);
        let kept = graph.drop_dangling(&kept, Dangling::NoPathEitherWay);
        dropped.retain(|&edge| {
            let (writer, reader) = graph.ends(edge);
            !kept.contains(writer, reader)
        });
        Ok((Circuit { kept, scores }, dropped))
    }

    fn has_node(&self, node: Node) -> Result<bool> {
        let name = node.to_string();
        self.nodes
            .get(&name)
            .copied()
            .ok_or_else(|| Error::data(self.file_name.clone(), format!("node `{name}` is missing")))
    }
}

/// Writer and reader of an edge.
fn ends(graph: &ComputationGraph, edge: usize) -> (Node, Reader) {
    let (writer, reader) = graph.ends(edge);
    (graph.writers()[writer], graph.readers()[reader])
}

/// Joins the copies of each edge; the name of an edge of which one copy is kept and another is not, if that matters.
fn join_copies(
    Imported {
        graph,
        circuit: copies,
        ..
    }: &Imported,
    group: &ComputationGraph,
    index: &EdgeIndex<'_>,
    config: &ModelConfig,
) -> Result<Circuit, String> {
    let mut writes = vec![false; graph.writers().len()];
    for writer in copies.writers(graph) {
        writes[writer] = true;
    }
    let mut scores = copies
        .scores
        .as_ref()
        .map(|_| vec![0.0; group.edge_count()]);
    // Per edge of the group graph: whether a copy that matters is kept, and whether one is not.
    let mut seen = vec![(false, false); group.edge_count()];
    for edge in 0..graph.edge_count() {
        let (writer, reader) = graph.ends(edge);
        let name = ends(graph, edge);
        let own = index
            .edge(&own_name(group, config, &name))
            .map_err(|error| error.to_string())?;
        if let (Some(sums), Some(scores)) = (&mut scores, &copies.scores) {
            sums[own] += scores[edge];
        }
        let shared = matches!(
            name.1,
            Reader::Head {
                part: Some(Qkv::K | Qkv::V),
                ..
            }
        );
        let idle = shared && !graph.outputs(reader).iter().any(|&head| writes[head]);
        if !idle {
            let kept = copies.kept.contains(writer, reader);
            seen[own].0 |= kept;
            seen[own].1 |= !kept;
        }
    }
    if let Some(edge) = seen.iter().position(|&both| both == (true, true)) {
        return Err(group.edge_name(edge));
    }
    let edges = (0..seen.len()).filter(|&edge| seen[edge].0);
    Ok(Circuit {
        kept: EdgeMask::from_edges(group, edges),
        scores,
    })
}
