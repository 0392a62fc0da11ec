//! `secateur trace`: a spec with `analysis: Tracing(..)`, written on the command line.

use secateur::Result;

use super::analysis::ask;
use crate::args::TraceArgs;

/// Runs the command.
pub(crate) fn trace(args: &TraceArgs, quiet: bool) -> Result<u8> {
    let question = format!(
        "Tracing(noise: {:?}, samples: {}, seed: {}, layers: {:?}, window: {})",
        args.noise, args.samples, args.seed, args.layers, args.window
    );
    ask("trace", (&args.asked, None), &question, &args.batch, quiet)
}
