//! What a model says next to one prompt, with some of its heads, MLPs and neurons replaced, or tokens exchanged in its stream,
//! or not.

mod exchanged;
mod parameters;
mod report;
mod run;

pub use parameters::{Ablated, Exchange, ExchangeAt, Instead, Prompt, PromptLens};
pub use report::{NextToken, PromptReport, SeenAt, TokenText};
pub use run::{PromptTask, ask_prompt};
