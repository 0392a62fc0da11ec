//! The computation graph: writers, readers, and every edge between them.

use std::collections::BTreeMap;

use petgraph::graph::{DiGraph, NodeIndex};

use super::{EdgeMask, Granularity, Heads, KeyValue, Node, PositionEmbedding, Qkv, Reader};
use crate::error::{Error, Result};
use crate::model::{ModelConfig, Positions};

/// Hidden units that are nodes, by layer.
pub type NeuronNodes = BTreeMap<usize, Vec<usize>>;

/// Writers, readers and edges of a model at a granularity.
///
/// Writers and readers are numbered in EAP-IG's order: `input`, then per layer heads, then the MLP (and its
/// neurons); readers per layer all q, all k, all v, then the MLP; `logits` last. A reader sees a prefix of the
/// writers, so edges are numbered densely, writer by writer. Where positions are split by spans, each writer is
/// there once per span, one after the other.
#[derive(Debug, Clone)]
pub struct ComputationGraph {
    granularity: Granularity,
    neurons: NeuronNodes,
    /// Names of the token spans that writers are split by; empty where positions are merged.
    pub(super) spans: Vec<String>,
    pub(super) writers: Vec<Node>,
    readers: Vec<Reader>,
    /// Number of writers before each reader.
    pub(super) before: Vec<usize>,
    /// First reader after each writer.
    first_reader: Vec<usize>,
    /// Number of the first edge of each writer; one more entry holds the total.
    first_edge: Vec<usize>,
    /// Writers computed from each reader.
    pub(super) outputs: Vec<Vec<usize>>,
}

/// A place in the bipartite view of the graph that petgraph works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A writer, by number.
    Writer(usize),
    /// A reader, by number, at a span.
    Reader(usize, usize),
}

/// A connection in the bipartite view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// An edge of the computation graph, by number.
    Edge(usize),
    /// From a reader to a writer computed from it, inside a node.
    Inside,
}

impl ComputationGraph {
    /// Builds the graph of a model of this shape.
    ///
    /// # Errors
    /// When a neuron node does not exist in the model.
    ///
    /// # Example
    /// ```
    /// use secateur::ComputationGraph;
    /// use secateur::graph::{Granularity, NeuronNodes};
    ///
    /// let model = secateur::load_model("builtin:toy-llama", std::path::Path::new("."))?;
    /// let graph = ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())?;
    /// let edge = graph.find_edge("a0.h0->m1")?;
    /// assert_eq!(graph.edge_name(edge), "a0.h0->m1");
    /// # Ok::<(), secateur::Error>(())
    /// ```
    pub fn new(
        config: &ModelConfig,
        granularity: &Granularity,
        neurons: &NeuronNodes,
    ) -> Result<Self> {
        let mut builder = Self {
            granularity: granularity.clone(),
            neurons: neurons.clone(),
            spans: Vec::new(),
            writers: vec![Node::Input],
            readers: Vec::new(),
            before: Vec::new(),
            first_reader: Vec::new(),
            first_edge: Vec::new(),
            outputs: Vec::new(),
        };
        if granularity.position_embedding == PositionEmbedding::Writer
            && config.positions == Positions::Learned
        {
            builder.writers.push(Node::Position);
        }
        if config.post_norms && !neurons.is_empty() {
            return Err(Error::Usage(
                "hidden units cannot be nodes in a model that norms the MLP's output: the norm of their sum is not a sum"
                    .into(),
            ));
        }
        for (&layer, hidden) in neurons {
            let bad = hidden.iter().find(|&&neuron| neuron >= config.d_mlp);
            if layer >= config.n_layers || bad.is_some() {
                let name = Node::Neuron {
                    layer,
                    neuron: bad.copied().unwrap_or(0),
                };
                return Err(Error::Usage(format!(
                    "there is no neuron {name}: the model has {} layers of {} hidden units",
                    config.n_layers, config.d_mlp
                )));
            }
        }
        for layer in 0..config.n_layers {
            builder.add_layer(config, layer);
        }
        builder.add_reader(Reader::Logits, builder.writers.len(), Vec::new());
        builder.number_edges();
        Ok(builder)
    }

    /// The graph of writers that are kept or ablated as a whole: each has one edge, to `logits`.
    pub fn of_writers(writers: Vec<Node>) -> Self {
        let mut graph = Self {
            granularity: Granularity::default(),
            neurons: NeuronNodes::new(),
            spans: Vec::new(),
            before: Vec::new(),
            readers: Vec::new(),
            first_reader: Vec::new(),
            first_edge: Vec::new(),
            outputs: Vec::new(),
            writers,
        };
        graph.add_reader(Reader::Logits, graph.writers.len(), Vec::new());
        graph.number_edges();
        graph
    }

    fn add_layer(&mut self, config: &ModelConfig, layer: usize) {
        let (heads, group) = (config.n_heads, config.group_size());
        let before = self.writers.len();
        let head_writer = |head: usize| before + head;
        let per_head = self.granularity.kv == KeyValue::PerHead || group == 1;
        match self.granularity.heads {
            Heads::Whole => {
                for head in 0..heads {
                    let reader = Reader::Head {
                        layer,
                        head,
                        part: None,
                    };
                    self.add_reader(reader, before, vec![head_writer(head)]);
                }
            }
            Heads::Qkv => {
                for part in [Qkv::Q, Qkv::K, Qkv::V] {
                    let width = if part == Qkv::Q || per_head { 1 } else { group };
                    for head in (0..heads).step_by(width) {
                        let reader = Reader::Head {
                            layer,
                            head,
                            part: Some(part),
                        };
                        let outputs = (head..head + width).map(head_writer).collect();
                        self.add_reader(reader, before, outputs);
                    }
                }
            }
        }
        self.writers
            .extend((0..heads).map(|head| Node::Head { layer, head }));
        let before_mlp = if config.parallel_blocks {
            before
        } else {
            self.writers.len()
        };
        if !config.has_mlps() {
            return;
        }
        let first = self.writers.len();
        self.writers.push(Node::Mlp { layer });
        if let Some(hidden) = self.neurons.get(&layer) {
            self.writers
                .extend(hidden.iter().map(|&neuron| Node::Neuron { layer, neuron }));
        }
        self.add_reader(
            Reader::Mlp { layer },
            before_mlp,
            (first..self.writers.len()).collect(),
        );
    }

    fn add_reader(&mut self, reader: Reader, before: usize, outputs: Vec<usize>) {
        self.readers.push(reader);
        self.before.push(before);
        self.outputs.push(outputs);
    }

    pub(super) fn number_edges(&mut self) {
        self.first_reader.clear();
        self.first_edge.clear();
        let mut total = 0;
        for writer in 0..self.writers.len() {
            let first = self.before.partition_point(|&before| before <= writer);
            self.first_reader.push(first);
            self.first_edge.push(total);
            total += self.readers.len() - first;
        }
        self.first_edge.push(total);
    }

    /// The granularity it was built at.
    pub fn granularity(&self) -> &Granularity {
        &self.granularity
    }

    /// Hidden units that are nodes, by layer.
    pub fn neurons(&self) -> &NeuronNodes {
        &self.neurons
    }

    /// All writers, in order.
    pub fn writers(&self) -> &[Node] {
        &self.writers
    }

    /// All readers, in order.
    pub fn readers(&self) -> &[Reader] {
        &self.readers
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.first_edge[self.writers.len()]
    }

    /// Number of writers a reader sees: the writers `0..n`.
    pub fn writers_before(&self, reader: usize) -> usize {
        self.before[reader]
    }

    /// The writers computed from what this reader reads.
    pub fn outputs(&self, reader: usize) -> &[usize] {
        &self.outputs[reader]
    }

    /// The number of the edge from `writer` to `reader`, if there is one.
    pub fn edge(&self, writer: usize, reader: usize) -> Option<usize> {
        (writer < *self.before.get(reader)?)
            .then(|| self.first_edge[writer] + reader - self.first_reader[writer])
    }

    /// Writer and reader of an edge.
    ///
    /// # Panics
    /// When there is no edge of this number.
    pub fn ends(&self, edge: usize) -> (usize, usize) {
        assert!(
            edge < self.edge_count(),
            "edge {edge} of {}",
            self.edge_count()
        );
        let writer = self.first_edge.partition_point(|&first| first <= edge) - 1;
        (
            writer,
            self.first_reader[writer] + edge - self.first_edge[writer],
        )
    }

    /// The name of an edge, such as `m0->a1.h2<q>`; with its span, where there are spans: `m0->a1.h2<q>@S2`.
    pub fn edge_name(&self, edge: usize) -> String {
        let (writer, reader) = self.ends(edge);
        let name = format!("{}->{}", self.writers[writer], self.readers[reader]);
        match self.span_of(writer) {
            Some(span) => format!("{name}@{}", self.spans[span]),
            None => name,
        }
    }

    /// The number of a writer; where there are spans, of its first.
    pub fn writer(&self, node: Node) -> Option<usize> {
        self.writers.iter().position(|&writer| writer == node)
    }

    /// The number of a reader.
    pub fn reader(&self, reader: Reader) -> Option<usize> {
        self.readers.iter().position(|&other| other == reader)
    }

    /// The number of the edge with this name.
    ///
    /// # Errors
    /// When the name is malformed or no such edge exists, saying which end is at fault.
    pub fn find_edge(&self, name: &str) -> Result<usize> {
        let unknown = |problem: String| Error::Usage(format!("edge `{name}`: {problem}"));
        let (ends, span) = self.split_span(name).map_err(unknown)?;
        let (from, to) = ends
            .split_once("->")
            .ok_or_else(|| unknown("expected `writer->reader`".into()))?;
        let node: Node = from.trim().parse().map_err(unknown)?;
        let reader: Reader = to.trim().parse().map_err(unknown)?;
        let writer = span
            + self
                .writer(node)
                .ok_or_else(|| unknown(format!("the graph has no writer {node}")))?;
        let reader_index = self
            .reader(reader)
            .ok_or_else(|| unknown(format!("the graph has no reader {reader}")))?;
        self.edge(writer, reader_index)
            .ok_or_else(|| unknown(format!("{node} does not come before {reader}")))
    }

    /// The bipartite petgraph view of the kept edges: writers, readers, kept edges, and the links inside nodes.
    ///
    /// Node `i` is writer `i`; node `writers + j` is the place `j` of [`ComputationGraph::place`]: a reader, or a reader at
    /// a span.
    pub fn digraph(&self, kept: &EdgeMask) -> DiGraph<Place, Link> {
        let (spans, readers) = (self.span_count(), self.readers.len());
        let nodes = self.writers.len() + readers * spans;
        let mut graph = DiGraph::with_capacity(nodes, self.edge_count());
        for writer in 0..self.writers.len() {
            graph.add_node(Place::Writer(writer));
        }
        for reader in 0..readers {
            for span in 0..spans {
                graph.add_node(Place::Reader(reader, span));
            }
        }
        let place = |place: usize| NodeIndex::new(self.writers.len() + place);
        for edge in kept.edges(self) {
            let (writer, reader) = self.ends(edge);
            let to = place(self.place(writer, reader));
            graph.add_edge(NodeIndex::new(writer), to, Link::Edge(edge));
        }
        for reader in 0..readers {
            for span in 0..spans {
                for writer in self.outputs_at(reader, span) {
                    let from = place(reader * spans + span);
                    graph.add_edge(from, NodeIndex::new(writer), Link::Inside);
                }
            }
        }
        graph
    }
}
