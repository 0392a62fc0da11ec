//! The forward pass, its vector-Jacobian product, caches, and ablated and incremental runs.
//!
//! A [`Transformer`] is a model at a granularity; a [`ModelEvaluator`] runs it on examples and answers what a
//! search asks through the [`Evaluator`] trait.

mod ablated;
mod ablation;
mod activation_path;
mod attention;
mod attribution;
mod backward;
mod base;
mod chunk;
mod evaluator;
mod forward;
mod incremental;
mod intervention;
mod kernels;
mod layout;
mod means;
mod readout;
mod residual;
mod session;
mod transformer;

pub use ablation::Ablation;
pub use evaluator::{Evaluator, mean};
pub use residual::Residuals;
pub use session::{MeanActivations, ModelEvaluator};
pub use transformer::Transformer;

/// Examples whose values are summed as one block, and the unit in which examples are grouped.
pub(crate) const BLOCK: usize = 16;
