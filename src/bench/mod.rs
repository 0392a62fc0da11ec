//! How long work takes, and how far it is from what the machine can do.

mod circuit_operations;
mod operations;
mod roofline;
mod step_clock;
mod work;

pub use roofline::{MatrixRate, bandwidth};
pub use work::{Timing, Work, time};
