//! Secateur finds the circuit inside a transformer language model that does a task.

pub mod discover;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod events;
pub mod graph;
pub mod metric;
pub mod model;
pub mod report;
pub mod run;
pub mod score;
pub mod spec;
pub mod task;

pub use error::{Error, Result};
