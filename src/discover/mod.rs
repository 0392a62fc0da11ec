//! Search: pruning methods over an evaluator. Never sees the model.

mod acdc;
mod decision;
mod method;

pub use acdc::Acdc;
pub use decision::{Decision, TraceLine};
pub use method::{Method, Select, Target};
