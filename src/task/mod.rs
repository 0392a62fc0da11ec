//! Tasks: where clean/corrupt pairs come from, and the checks they pass before a model sees them.
//!
//! A generator is one file: its parameters, its prompts, its corruption. [`TaskSource`] lists them.

mod agreement;
mod check;
mod example;
mod formats;
mod greater_than;
mod induction;
mod ioi;
mod rows;
mod sampling;
mod source;
mod text;
mod vocabulary;
mod words;

pub use agreement::Agreement;
pub use example::{Dataset, Example, ExampleText};
pub use greater_than::GreaterThan;
pub use induction::Induction;
pub use ioi::{Ioi, IoiCorruption};
pub use source::{LoadRequest, TaskSource};
pub use vocabulary::vocabulary;
