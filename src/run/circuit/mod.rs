//! A job that finds a circuit; `pipeline` is one job without files, and the place to read first.

pub(crate) mod attention_patterns;
pub(crate) mod job;
pub(crate) mod page;
pub(crate) mod pipeline;
pub(crate) mod unfinished;
