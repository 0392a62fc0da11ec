//! `secateur show`: a circuit as a tree of text.

use secateur::Result;
use secateur::report::{ShowLook, ShowOptions, circuit_tree, show_json, show_text};

use super::render;
use crate::args::ShowArgs;
use crate::output;

pub(crate) fn show(args: &ShowArgs, quiet: bool) -> Result<u8> {
    let file = render::circuit(&args.circuit, quiet)?;
    let options = ShowOptions {
        depth: usize::from(args.depth),
        top: usize::from(args.top),
    };
    let tree = circuit_tree(&file, options)?;
    let text = if args.json {
        show_json(&tree)?
    } else {
        let look = ShowLook {
            columns: output::columns(),
            coloured: output::data_is_coloured(),
        };
        show_text(&file, &tree, look)
    };
    output::data(text.as_bytes())?;
    Ok(0)
}
