//! What a model says next to one prompt, with some of its heads, MLPs and neurons replaced, or tokens swapped in its stream,
//! or not.

mod analysis;
mod exchanged;
mod parameters;
mod report;
mod run;
mod text;

pub use analysis::run_prompt;
pub use parameters::{AblateWith, Ablated, DirectionSwap, Prompt, PromptLens, SwapPosition};
pub use report::{LensRow, NextToken, PromptReport, TokenText};
pub use run::{PromptTask, ask_prompt};
pub use text::{prompt_csv, prompt_text};
