//! Circuits: ablation values, cached runs of the clean and the corrupt prompts, and runs of other circuits computed from them.

pub(in crate::engine) mod ablated;
pub(in crate::engine) mod ablation;
pub(in crate::engine) mod activation_path;
pub(in crate::engine) mod attribution;
pub(in crate::engine) mod base;
pub(in crate::engine) mod chunk;
pub(in crate::engine) mod chunks;
pub(in crate::engine) mod differing;
pub(in crate::engine) mod evaluator;
pub(in crate::engine) mod incremental;
pub(in crate::engine) mod made;
pub(in crate::engine) mod means;
pub(in crate::engine) mod optimal;
pub(in crate::engine) mod part;
pub(in crate::engine) mod resample;
pub(in crate::engine) mod row_spans;
pub(in crate::engine) mod session;
pub(in crate::engine) mod sums;
pub(in crate::engine) mod values;
