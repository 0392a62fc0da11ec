//! `secateur edit`: a spec with `analysis: Edit(..)`, written on the command line.

use secateur::Result;
use secateur::paths::written;

use super::analysis::ask;
use crate::args::EditArgs;

/// Runs the command.
pub(crate) fn edit(args: &EditArgs, quiet: bool) -> Result<u8> {
    let text = args.text.as_ref().map(written);
    let text = text.map_or_else(String::new, |path| format!(", text: {path:?}"));
    let question = format!(
        "Edit(vector: {}, scale: {}, at: {}, layers: {:?}, together: {}, strengths: {:?}, listed: {}{text})",
        args.vector, args.scale, args.at, args.layers, args.together, args.strengths, args.listed
    );
    ask("edit", (&args.asked, None), &question, &args.batch, quiet)
}
