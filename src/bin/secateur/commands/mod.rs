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
mod repl;
mod run;
mod show;
mod superposition;

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
        Command::Eval(args) => in_pool(|| eval::eval(args, cli.quiet)),
        Command::Compare(args) => compare::compare(args, cli.quiet),
        Command::Render(args) => render::render(args, cli.quiet),
        Command::Figure(args) => figure::figure(args, cli.quiet),
        Command::Show(args) => show::show(args, cli.quiet),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Logits(args) => in_pool(|| logits::logits(args)),
        Command::Parity(args) => in_pool(|| parity::parity(args)),
        Command::Lens(asked) => analysis::ask("lens", asked, cli.quiet),
        Command::Attention(asked) => analysis::ask("attention", asked, cli.quiet),
        Command::Residual(asked) => analysis::ask("residual", asked, cli.quiet),
        Command::Neurons(asked) => analysis::ask("neurons", asked, cli.quiet),
        Command::Edit(asked) => analysis::ask("edit", asked, cli.quiet),
        Command::Patchscope(asked) => analysis::ask("patchscope", asked, cli.quiet),
        Command::Relation(asked) => analysis::ask("relation", asked, cli.quiet),
        Command::Sae(asked) => analysis::ask("sae", asked, cli.quiet),
        Command::Superposition(args) => in_pool(|| superposition::superposition(args, cli.quiet)),
        Command::Trace(asked) => analysis::ask("trace", asked, cli.quiet),
        Command::Vector(asked) => analysis::ask("vector", asked, cli.quiet),
        Command::FeatureCircuit(asked) => analysis::ask("feature-circuit", asked, cli.quiet),
        Command::Repl(args) => in_pool(|| repl::repl(args, cli.quiet)),
        Command::Bench(args) => bench::bench(args),
        Command::Models => models::models(),
        Command::Completions { shell } => completions::completions(*shell),
    }
}

/// Does work on a thread of the pool, as jobs do: another thread would wait for the pool at every product.
fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
