//! Results as files: pure functions from plain data to bytes.

mod circuit_file;

pub use circuit_file::{CIRCUIT_FORMAT, CircuitFile, EdgeEntry, ModelStamp};
