//! `secateur render`: draws a circuit.

use secateur::Result;
use secateur::report::{AnyCircuit, exporter};
use secateur::run::{read_circuit_text, write_file};

use crate::args::RenderArgs;
use crate::output;

pub(crate) fn render(args: &RenderArgs, quiet: bool) -> Result<u8> {
    let text = read_circuit_text(&args.circuit)?;
    let name = args.circuit.display().to_string();
    let file = match AnyCircuit::parse(&text, &name)? {
        AnyCircuit::Own(file) => *file,
        AnyCircuit::Eap(graph) => {
            let (file, notes) = graph.drawing()?;
            for note in notes.iter().filter(|_| !quiet) {
                output::message(&output::warning_text(note));
            }
            file
        }
    };
    let bytes = exporter(&args.format)?.export(&file)?;
    match &args.out {
        Some(path) => write_file(path, &bytes)?,
        None => output::data(&bytes)?,
    }
    Ok(0)
}
