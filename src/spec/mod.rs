//! Run specs in RON: types, parsing, checks, mistakes with their place.

mod types;

pub use types::{Evaluate, Output, Precision, RunSpec};
