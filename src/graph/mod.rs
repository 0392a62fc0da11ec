//! The computation graph and circuits in it. Never sees a tensor; the only user of petgraph.

mod circuit;
mod computation;
mod dangling;
mod granularity;
mod mask;
mod node;
mod representation;
mod spans;

pub use circuit::{Circuit, EdgeScores, ranking};
pub use computation::{ComputationGraph, Link, NeuronNodes, Place};
pub use dangling::{Alive, Dangling};
pub use granularity::{
    Granularity, Heads, KeyValue, Mlps, PositionEmbedding, PositionSplit, Prune,
};
pub use mask::EdgeMask;
pub use node::{Node, Qkv, Reader};
pub use representation::Representation;
pub use spans::MOST_SPANS;
