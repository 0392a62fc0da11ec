//! `secateur render`: draws a circuit, or converts a plot.

use std::path::Path;

use secateur::report::{
    AnyCircuit, CircuitFile, FigureOptions, NodeRoles, exporter, outlined, parse_roles, recoloured,
    to_pdf, to_png, to_tikz,
};
use secateur::run::{read_circuit_text, write_file};
use secateur::{Error, Result};

use crate::args::{RenderArgs, style};
use crate::output;

pub(crate) fn render(args: &RenderArgs, quiet: bool) -> Result<u8> {
    let name = args.circuit.display().to_string();
    if args.outlines && args.format != "svg" {
        return Err(Error::Usage(
            "--outlines is for --format svg; pdf and png need no fonts, tikz takes LaTeX's".into(),
        ));
    }
    if args.width.is_some() && args.format != "png" {
        return Err(Error::Usage(
            "--width is for --format png; other formats have no pixels".into(),
        ));
    }
    let bytes = if name.to_ascii_lowercase().ends_with(".svg") {
        convert(&read_circuit_text(&args.circuit)?, &name, args)?
    } else {
        let file = circuit(&args.circuit, quiet)?;
        let roles = roles(args.roles.as_deref())?;
        warn_of_other_model(&roles, &file, quiet);
        let options = FigureOptions {
            style: style(args.theme, args.direction),
            detail: args.detail.into(),
            roles: roles.roles,
            pixels: args.width,
        };
        exporter(&args.format)?.export(&file, &options)?
    };
    let bytes = if args.outlines {
        outlined(&String::from_utf8_lossy(&bytes), &name)?.into_bytes()
    } else {
        bytes
    };
    match &args.out {
        Some(path) => write_file(path, &bytes)?,
        None => output::data(&bytes)?,
    }
    Ok(0)
}

/// A circuit file of either kind, with what it lacks as warnings.
pub(super) fn circuit(path: &Path, quiet: bool) -> Result<CircuitFile> {
    let name = path.display().to_string();
    match AnyCircuit::parse(&read_circuit_text(path)?, &name)? {
        AnyCircuit::Own(file) => Ok(*file),
        AnyCircuit::Eap(graph) => {
            let (file, notes) = graph.drawing()?;
            for note in notes.iter().filter(|_| !quiet) {
                output::message(&output::warning_text(note));
            }
            Ok(file)
        }
    }
}

/// The roles in a file, where one is named.
pub(super) fn roles(path: Option<&Path>) -> Result<NodeRoles> {
    let Some(path) = path else {
        return Ok(NodeRoles::default());
    };
    parse_roles(&read_circuit_text(path)?, &path.display().to_string())
}

/// Says so where roles are of another model than the circuit.
pub(super) fn warn_of_other_model(roles: &NodeRoles, file: &CircuitFile, quiet: bool) {
    if let Some(model) = roles.other_model(&file.model.hash)
        && !quiet
    {
        let note = format!(
            "the roles are of {model}, the circuit of {}",
            file.model.name
        );
        output::message(&output::warning_text(&note));
    }
}

/// A plot in another theme and format.
fn convert(svg: &str, name: &str, args: &RenderArgs) -> Result<Vec<u8>> {
    let svg = recoloured(svg, args.theme.into(), name)?;
    match &args.format[..] {
        "svg" => Ok(svg.into_bytes()),
        "pdf" => to_pdf(&svg, name),
        "png" => to_png(&svg, name, args.width),
        "tikz" => to_tikz(&svg, name).map(String::into_bytes),
        other => Err(Error::Usage(format!(
            "{name} is a picture, not a circuit; {other} needs a circuit file"
        ))),
    }
}
