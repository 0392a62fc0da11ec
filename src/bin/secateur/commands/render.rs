//! `secateur render`: draws a circuit.

use secateur::Result;
use secateur::report::exporter;
use secateur::report::{CircuitFile, EapGraph};
use secateur::run::{read_circuit_text, write_file};

use crate::args::RenderArgs;
use crate::output;

pub(crate) fn render(args: &RenderArgs, quiet: bool) -> Result<u8> {
    let text = read_circuit_text(&args.circuit)?;
    let name = args.circuit.display().to_string();
    let file = if text.trim_start().starts_with('{') {
        let (file, notes) = EapGraph::parse(&text, &name)?.drawing()?;
        for note in notes.iter().filter(|_| !quiet) {
            output::message(&output::warning_text(note));
        }
        file
    } else {
        CircuitFile::from_ron(&text, &name)?
    };
    let bytes = exporter(&args.format)?.export(&file)?;
    match &args.out {
        Some(path) => write_file(path, &bytes)?,
        None => output::data(&bytes)?,
    }
    Ok(0)
}
