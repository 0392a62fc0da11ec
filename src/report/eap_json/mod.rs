//! `circuit.json`: the graph format of EAP-IG and the MIB circuit track, every edge of the full graph with its score
//! and whether it is kept. There k and v exist once per query head.

mod read;
mod write;

pub use read::{EapEdge, EapGraph, Imported};
pub use write::to_eap_json;
