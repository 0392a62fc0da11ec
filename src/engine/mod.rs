//! The forward pass, its vector-Jacobian product, caches, and ablated and incremental runs.

mod ablation;

pub use ablation::Ablation;
