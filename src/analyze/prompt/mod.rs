//! What a model says next to one prompt, with some of its heads, MLPs and neurons replaced or not.

mod parameters;
mod report;
mod run;

pub use parameters::{Ablated, Instead, Prompt};
pub use report::{NextToken, PromptReport, TokenText};
pub use run::ask_prompt;
