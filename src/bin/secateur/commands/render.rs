//! `secateur render`: draws a circuit.

use secateur::Result;
use secateur::report::{AnyCircuit, Figure, exporter, parse_roles};
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
    let mut figure = Figure::new(&file)?;
    if let Some(path) = &args.roles {
        let name = path.display().to_string();
        let roles = parse_roles(&read_circuit_text(path)?, &name)?;
        if roles.model_hash != file.model.hash && !quiet {
            let note = format!(
                "{name} is of {}, the circuit of {}",
                roles.model, file.model.name
            );
            output::message(&output::warning_text(&note));
        }
        figure = figure.with_roles(&roles.roles);
    }
    let bytes = exporter(&args.format)?.draw(&file, &figure)?;
    match &args.out {
        Some(path) => write_file(path, &bytes)?,
        None => output::data(&bytes)?,
    }
    Ok(0)
}
