//! `secateur render`: draws a circuit.

use secateur::Result;
use secateur::report::CircuitFile;
use secateur::report::exporter;
use secateur::run::{read_circuit_text, write_file};

use crate::args::RenderArgs;
use crate::output;

pub(crate) fn render(args: &RenderArgs) -> Result<u8> {
    let text = read_circuit_text(&args.circuit)?;
    let file = CircuitFile::from_ron(&text, &args.circuit.display().to_string())?;
    let bytes = exporter(&args.format)?.export(&file)?;
    match &args.out {
        Some(path) => write_file(path, &bytes)?,
        None => output::data(&bytes)?,
    }
    Ok(0)
}
