//! `secateur patchscope`: a spec with `analysis: Patchscope(..)`, written on the command line.

use secateur::Result;
use secateur::paths::written;

use super::analysis::Question;
use crate::args::PatchscopeArgs;

/// Runs the command.
pub(crate) fn patchscope(args: &PatchscopeArgs, quiet: bool) -> Result<u8> {
    let task = args.task.as_ref();
    let held_out = args.held_out.unwrap_or(0.5);
    let task = task.map_or_else(String::new, |task| {
        format!("task: {task}, held_out: {held_out:?}, ")
    });
    let word = args.placeholder.as_ref();
    let word = word.map_or_else(String::new, |word| format!(", placeholder: {word:?}"));
    let mapping = match (&args.ridge, &args.tuned) {
        (Some(path), _) => format!(", mapping: Ridge(text: {:?})", written(path)),
        (None, Some(path)) => format!(", mapping: Lens({:?})", written(path)),
        (None, None) => String::new(),
    };
    let placed = args.at_layer;
    let placed = placed.map_or_else(String::new, |layer| format!(", placed: Layer({layer})"));
    let keys = format!(
        "{task}analysis: Patchscope(prompt: {}{word}, back: {}, source_layers: {:?}, target_layers: {:?}{mapping}, wanted: {}, \
         texts: {:?}, samples: {}{placed}, tokens: {})",
        args.prompt,
        args.back,
        args.source_layers,
        args.target_layers,
        args.wanted,
        args.text,
        args.samples,
        args.tokens
    );
    let asked = Question {
        model: &args.model,
        name: args.name.as_deref(),
        kind: "patchscope".to_owned(),
        keys,
    };
    asked.run(&args.batch, quiet)
}
