//! The numeric kernels: the only place of the engine with `unsafe` (the matrix product's pointers, and memory that is not
//! cleared before it is written).
//!
//! Every kernel computes a row from that row alone, so a row's bits never depend on what else is in the batch.

pub(crate) mod activation;
pub(crate) mod attention;
mod dispatch;
pub(crate) mod filled;
pub(crate) mod matmul;
pub(crate) mod matrix;
pub(crate) mod norm;
pub(crate) mod rope;
pub(crate) mod rows;
