//! Jobs: one spec on one model, batches of them, results on disk.

mod pipeline;

pub use pipeline::{Outcome, evaluate_circuit, find_circuit, last_logits};
