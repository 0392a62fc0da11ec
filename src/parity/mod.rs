//! A model compared with a dump of its activations from another implementation.

mod compare;
mod golden;

pub use compare::{Difference, Parity, parity};
pub use golden::Golden;
