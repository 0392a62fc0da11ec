//! A job that finds a circuit; `pipeline` is one job without files, and the place to read first.

pub(crate) mod job;
pub(crate) mod page;
pub(crate) mod pipeline;
pub(crate) mod seen_by_heads;
pub(crate) mod unfinished;
