//! How long work takes, and how far it is from what the machine can do.

mod bench;
mod circuit_operations;
mod operations;
mod roofline;
mod step_clock;

pub use bench::{Timing, Work, time};
pub use roofline::{MatrixRate, bandwidth};
