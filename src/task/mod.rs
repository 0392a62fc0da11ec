//! Tasks: where clean/corrupt pairs come from, and the checks they pass before a model sees them.

mod agreement;
mod example;
mod greater_than;
mod induction;
mod ioi;
mod source;

pub use agreement::Agreement;
pub use example::{Dataset, Example, ExampleText};
pub use greater_than::GreaterThan;
pub use induction::Induction;
pub use ioi::Ioi;
pub use source::TaskSource;
