//! Tasks: where clean/corrupt pairs come from, and the checks they pass before a model sees them.
//!
//! A generator is one file: its parameters, its prompts, its corruption. [`TaskSource`] lists them.

mod agreement;
mod check;
mod example;
mod formats;
mod greater_than;
mod in_context;
mod induction;
mod ioi;
mod relation;
mod row_spans;
mod rows;
mod sampling;
mod sets;
mod source;
mod spans;
mod text;
mod vocabulary;
mod word_pairs;
mod words;

pub use agreement::Agreement;
pub use example::{Dataset, Example, ExampleText, Span};
pub use greater_than::GreaterThan;
pub use in_context::InContext;
pub(crate) use in_context::MOST_SHOTS;
pub use induction::Induction;
pub use ioi::{Ioi, IoiCorruption};
pub use relation::{Relation, RelationPrompts, RelationSample, RelationSplit, SubjectPrompt};
pub use sets::{LoadedSets, PromptSets};
pub use source::{LoadRequest, Prompts, TaskSource};
pub use vocabulary::vocabulary;
pub use word_pairs::WordFunction;
