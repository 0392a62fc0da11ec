//! `secateur repl`: a prompt at which prompts are tried, parts of the model replaced, tokens exchanged in
//! its stream and vectors added, and the layers looked at through lenses.
//!
//! Every line that runs the model is a spec with `analysis: Prompt(..)`, which is printed with the answer. Lines come from a
//! terminal, with completion and history, or from a pipe.

mod command;
mod editor;
mod session;

pub(crate) use command::{Command, HELP};
pub(crate) use editor::Lines;
pub(crate) use session::{Next, Session};
