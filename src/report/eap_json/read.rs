//! From the text of `circuit.json` to a circuit.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::write::{edge_names, own_name};
use crate::error::{Error, Result};
use crate::graph::{
    Circuit, ComputationGraph, Dangling, EdgeMask, Granularity, KeyValue, NeuronNodes, Node, Qkv,
    Reader,
};
use crate::model::{Activation, ModelConfig, Norm, Positions};
use crate::report::limits::{EdgeIndex, check_shape};
use crate::report::{CIRCUIT_FORMAT, CircuitFile, ModelStamp};

/// A graph file of EAP-IG or MIB, as read.
#[derive(Debug, Clone, PartialEq)]
pub struct EapGraph {
    file_name: String,
    cfg: Cfg,
    nodes: BTreeMap<String, bool>,
    edges: BTreeMap<String, EapEdge>,
}

/// An edge of such a file.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct EapEdge {
    /// Its score; files without scores exist.
    #[serde(default)]
    pub score: Option<f64>,
    /// Whether it is kept.
    pub in_graph: bool,
}

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

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Cfg {
    n_layers: usize,
    n_heads: usize,
    #[serde(default)]
    parallel_attn_mlp: bool,
    #[serde(default)]
    d_model: Option<usize>,
}

/// A node; files of EAP-IG before its version 2 have its membership alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum NodeEntry {
    Membership(bool),
    Node {
        in_graph: bool,
        /// Membership by coordinate of the residual stream.
        #[serde(default)]
        neurons: Option<Vec<bool>>,
    },
}

impl NodeEntry {
    fn in_graph(&self) -> bool {
        match self {
            Self::Membership(in_graph) | Self::Node { in_graph, .. } => *in_graph,
        }
    }

    /// Whether only some coordinates of its output are kept.
    fn is_partial(&self) -> bool {
        matches!(self, Self::Node { in_graph: true, neurons: Some(neurons) } if neurons.contains(&false))
    }
}

#[derive(Deserialize)]
struct File {
    cfg: Cfg,
    nodes: Once<NodeEntry>,
    edges: Once<EapEdge>,
}

/// A map in which every key stands once.
struct Once<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Once<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Once<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once<T>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = map.next_value().map_err(|error| {
                        // The error's place is kept behind the key.
                        A::Error::custom(format!("`{key}`: {error}"))
                    })?;
                    if entries.contains_key(&key) {
                        return Err(A::Error::custom(format!("`{key}` is given twice")));
                    }
                    entries.insert(key, value);
                }
                Ok(Once(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl EapGraph {
    /// Reads the text of such a file. `file_name` is for messages only.
    ///
    /// # Errors
    /// When the text is not JSON of this form (with line and column), describes an impossible shape, lists too many
    /// or too few edges, or keeps single neurons.
    pub fn parse(text: &str, file_name: &str) -> Result<Self> {
        let bad = |problem: String| Error::data(file_name, problem);
        let file: File = serde_json::from_str(text).map_err(|error| {
            // The place stands in front, as for RON.
            let message = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = message.strip_suffix(&place).unwrap_or(&message);
            let number = text.contains("NaN") || text.contains("Infinity");
            let hint = if number {
                "\nhint: JSON has no NaN and no Infinity; give a number, or leave the score out"
            } else {
                ""
            };
            bad(format!(
                "line {}, column {}: {message}{hint}",
                error.line(),
                error.column()
            ))
        })?;
        for (name, node) in &file.nodes.0 {
            if node.is_partial() {
                return Err(bad(format!(
                    "node `{name}` keeps only some `neurons`, which in this format are coordinates of the residual \
                     stream (d_model) and not hidden units of an MLP; such circuits are not supported\n\
                     hint: keep whole nodes, or find a circuit of hidden units with granularity: (mlps: Neurons(..))"
                )));
            }
        }
        let graph = Self {
            file_name: file_name.into(),
            cfg: file.cfg,
            nodes: file
                .nodes
                .0
                .into_iter()
                .map(|(name, node)| (name, node.in_graph()))
                .collect(),
            edges: file.edges.0,
        };
        let config = graph.model_config();
        check_shape(&config, &NeuronNodes::new()).map_err(bad)?;
        let expected = edge_count(&config);
        if graph.edges.len() != expected {
            return Err(bad(format!(
                "{} edges, but {} layers of {} heads have {expected}",
                graph.edges.len(),
                config.n_layers,
                config.n_heads
            )));
        }
        Ok(graph)
    }

    /// A shape for drawing the circuit without its model: what the file does not say is a placeholder.
    pub fn model_config(&self) -> ModelConfig {
        let d_model = self.cfg.d_model.unwrap_or(0);
        ModelConfig {
            family: "unknown".into(),
            n_layers: self.cfg.n_layers,
            n_heads: self.cfg.n_heads,
            n_kv_heads: self.cfg.n_heads,
            d_model,
            d_head: d_model / self.cfg.n_heads.max(1),
            d_mlp: 1,
            d_vocab: 0,
            n_ctx: 0,
            norm: Norm::LayerNorm { eps: 1e-5 },
            positions: Positions::Learned,
            activation: Activation::GeluTanh,
            gated_mlp: false,
            parallel_blocks: self.cfg.parallel_attn_mlp,
            tied_unembedding: false,
            ..ModelConfig::default()
        }
    }

    /// The circuit as a file to draw without its model, and what the reader should know. Task, method and figures
    /// are not in this format.
    ///
    /// # Errors
    /// When the file's edges are not those of a model of its shape.
    pub fn drawing(&self) -> Result<(CircuitFile, Vec<String>)> {
        let config = self.model_config();
        let read = self.import(&config, KeyValue::PerHead)?;
        let file = CircuitFile {
            format: CIRCUIT_FORMAT,
            name: self.file_name.clone(),
            model: ModelStamp {
                name: format!("{} layers of {} heads", config.n_layers, config.n_heads),
                hash: String::new(),
                config,
            },
            task: "unknown task".into(),
            metric: String::new(),
            ablation: String::new(),
            method: "imported".into(),
            granularity: read.graph.granularity().clone(),
            neurons: NeuronNodes::new(),
            spec_hash: String::new(),
            data_hash: String::new(),
            figures: BTreeMap::new(),
            edges_total: read.graph.edge_count(),
            edges: CircuitFile::entries(&read.graph, &read.circuit),
        };
        Ok((file, read.notes))
    }

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

/// Number of edges of EAP-IG's graph.
fn edge_count(config: &ModelConfig) -> usize {
    let heads = config.n_heads;
    let of_layer = |layer: usize| {
        let before = 1 + layer * (heads + 1);
        let beside = if config.parallel_blocks { 0 } else { heads };
        3 * heads * before + before + beside
    };
    (0..config.n_layers).map(of_layer).sum::<usize>() + 1 + config.n_layers * (heads + 1)
}
