//! How fine the computation graph is.

use serde::{Deserialize, Serialize};

/// What becomes a node or an edge of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Granularity {
    /// Whether a head reads through one input or three.
    pub heads: Heads,
    /// Whether MLPs are split into neurons.
    pub mlps: Mlps,
    /// Whether token positions are told apart.
    pub positions: PositionSplit,
    /// Whether key and value readers exist per group or per query head.
    pub kv: KeyValue,
    /// Whether learned position embeddings are a writer.
    pub position_embedding: PositionEmbedding,
    /// What pruning removes.
    pub prune: Prune,
}

/// Inputs of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heads {
    /// Queries, keys and values are three readers.
    #[default]
    Qkv,
    /// One reader per query head, with its own copy of the keys and values.
    Whole,
}

/// Parts of an MLP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mlps {
    /// One writer per MLP.
    #[default]
    Whole,
    /// The `top` hidden units of `layers` with the largest attribution are writers; the rest stays one.
    Neurons {
        /// Layers whose neurons are candidates.
        layers: Vec<usize>,
        /// How many neurons become nodes, over all those layers together.
        top: usize,
    },
}

/// Token positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PositionSplit {
    /// An edge carries all positions.
    #[default]
    Merged,
    /// An edge carries the positions of one token span; the task says which tokens make up which.
    Spans,
}

/// Key and value readers under grouped-query attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyValue {
    /// One k and one v reader per key/value head, named after the group's first query head.
    #[default]
    Group,
    /// One k and one v reader per query head, as EAP-IG.
    PerHead,
}

/// Ownership of learned position embeddings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PositionEmbedding {
    /// Always present, no node.
    #[default]
    Free,
    /// A writer named `pos`.
    Writer,
}

/// What pruning removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prune {
    /// Single edges.
    #[default]
    Edges,
    /// Whole nodes with all their edges.
    Nodes,
    /// Nodes first, then the edges between the nodes left.
    NodesThenEdges,
}
