//! From the text of `circuit.json` to a graph file.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::error::{Error, Result};
use crate::graph::{KeyValue, NeuronNodes};
use crate::model::{Activation, ModelConfig, Norm, Positions};
use crate::report::circuit::limits::{check_number, check_shape};
use crate::report::{CIRCUIT_FORMAT, CircuitFile, ModelStamp};

/// A graph file of EAP-IG or MIB, as read.
#[derive(Debug, Clone, PartialEq)]
pub struct EapGraph {
    pub(crate) file_name: String,
    pub(crate) cfg: Cfg,
    pub(crate) nodes: BTreeMap<String, bool>,
    pub(crate) edges: BTreeMap<String, EapEdge>,
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

/// The shape, as far as the format says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Cfg {
    n_layers: usize,
    n_heads: usize,
    #[serde(default)]
    parallel_attn_mlp: bool,
    #[serde(default)]
    pub(crate) d_model: Option<usize>,
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
                        // The error's place is kept after the key.
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
        for (name, edge) in &file.edges.0 {
            if let Some(score) = edge.score {
                let problem = |problem| bad(format!("edge `{name}`: its score: {problem}"));
                check_number(score).map_err(problem)?;
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
        check_shape(&config, &NeuronNodes::new(), 0).map_err(bad)?;
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
                identity: None,
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
            spans: Vec::new(),
            stop: crate::discover::StopReason::Finished,
            edges_total: read.graph.edge_count(),
            edges: CircuitFile::entries(&read.graph, &read.circuit),
        };
        Ok((file, read.notes))
    }
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
