//! `circuit.json`: the graph format of EAP-IG and the MIB circuit track, every edge of the full graph with its score
//! and whether it is kept. There k and v exist once per query head.

mod import;
mod read;
mod write;

pub use import::Imported;
pub use read::{EapEdge, EapGraph};
pub use write::to_eap_json;
