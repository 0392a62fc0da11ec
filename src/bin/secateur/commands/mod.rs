//! One file per command; each gives the exit code.

mod analysis;
mod bench;
mod compare;
mod completions;
mod eval;
mod figure;
mod inspect;
mod logits;
mod models;
mod parity;
mod render;
mod run;
mod show;

use clap::Parser;
use secateur::Result;

use crate::args::{Cli, Command};
use crate::output;

/// Parses the command line, runs the command, and shows its error.
pub(crate) fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are data; a reader that has gone away is not an error.
            error.print().ok();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    dispatch(&cli).unwrap_or_else(|error| {
        output::message(&output::error_text(&error));
        error.exit_code()
    })
}

fn dispatch(cli: &Cli) -> Result<u8> {
    match &cli.command {
        Command::Run(args) => run::run(args, cli.quiet),
        Command::Eval(args) => eval::eval(args, cli.quiet),
        Command::Compare(args) => compare::compare(args),
        Command::Render(args) => render::render(args, cli.quiet),
        Command::Figure(args) => figure::figure(args, cli.quiet),
        Command::Show(args) => show::show(args, cli.quiet),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Logits(args) => logits::logits(args),
        Command::Parity(args) => parity::parity(args),
        Command::Neurons(args) => analysis::neurons(args, cli.quiet),
        Command::Sae(args) => analysis::sae(args, cli.quiet),
        Command::Vector(args) => analysis::vector(args, cli.quiet),
        Command::Bench(args) => bench::bench(args),
        Command::Models => models::models(),
        Command::Completions { shell } => completions::completions(*shell),
    }
}
