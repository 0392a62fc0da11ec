//! `secateur render`: draws a circuit or the cost of work, or converts a plot.

use std::path::{Path, PathBuf};

use secateur::report::{
    AnyCircuit, CircuitFile, FigureOptions, NodeRoles, check_svg, exporter, growth_svg, outlined,
    parse_bench, parse_roles, recoloured, to_dot, to_pdf, to_png, to_svg, to_tikz,
};
use secateur::run::{AskedFiles, read_circuit_text};
use secateur::{Error, Result};

use crate::args::{DetailArg, DirectionArg, RenderArgs, style};
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
    let text = read_circuit_text(&args.circuit)?;
    let extension = args.circuit.extension().and_then(|it| it.to_str());
    let is = |wanted: &str| extension.is_some_and(|it| it.eq_ignore_ascii_case(wanted));
    let bytes = if is("svg") || is("jsonl") {
        refuse(args.direction.is_some(), "--direction", "a plot")?;
        refuse(args.detail.is_some(), "--detail", "a plot")?;
        refuse(args.roles.is_some(), "--roles", "a plot")?;
        let svg = if is("svg") {
            text
        } else {
            growth_svg(&parse_bench(&text, &name)?, &name)?
        };
        convert(&recoloured(&svg, args.theme.into(), &name)?, &name, args)?
    } else {
        match AnyCircuit::parse(&text, &name)? {
            AnyCircuit::Features(file) => {
                refuse(args.detail.is_some(), "--detail", "a circuit of features")?;
                refuse(args.roles.is_some(), "--roles", "a circuit of features")?;
                let style = style(args.theme, args.direction.unwrap_or(DirectionArg::Up));
                let figure = file.figure(style)?;
                match &args.format[..] {
                    "dot" => to_dot(&figure).into_bytes(),
                    _ => convert(&to_svg(&figure), &name, args)?,
                }
            }
            read => {
                let file = drawn(read, &name, quiet)?;
                let roles = roles(args.roles.as_deref())?;
                warn_of_other_model(&roles, &file, quiet);
                let options = FigureOptions {
                    style: style(args.theme, args.direction.unwrap_or(DirectionArg::Up)),
                    detail: args.detail.unwrap_or(DetailArg::Fitting).into(),
                    roles: roles.roles,
                    pixels: args.width,
                };
                exporter(&args.format)?.export(&file, &options)?
            }
        }
    };
    let bytes = if args.outlines {
        outlined(&String::from_utf8_lossy(&bytes), &name)?.into_bytes()
    } else {
        bytes
    };
    match &args.out {
        Some(path) => {
            let inputs = std::iter::once(&args.circuit).chain(&args.roles);
            let inputs = inputs.map(PathBuf::as_path).collect();
            AskedFiles::new(inputs, args.force).write(&[(path.clone(), bytes)])?;
        }
        None => output::data(&bytes)?,
    }
    Ok(0)
}

/// A circuit file of either kind, with what it lacks as warnings.
pub(super) fn circuit(path: &Path, quiet: bool) -> Result<CircuitFile> {
    let name = path.display().to_string();
    drawn(
        AnyCircuit::parse(&read_circuit_text(path)?, &name)?,
        &name,
        quiet,
    )
}

/// As [`circuit`], of a file that was read.
fn drawn(read: AnyCircuit, name: &str, quiet: bool) -> Result<CircuitFile> {
    match read {
        AnyCircuit::Own(file) => Ok(*file),
        AnyCircuit::Features(_) => Err(Error::Usage(format!(
            "{name} is a circuit of features: `secateur render` draws it, and report.txt beside it lists its nodes and edges"
        ))),
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

/// Refuses an option that what is drawn has no use for.
fn refuse(given: bool, option: &str, what: &str) -> Result<()> {
    if given {
        let problem =
            format!("{option} is for circuits of heads and MLPs, and this is {what}; leave it out");
        return Err(Error::Usage(problem));
    }
    Ok(())
}

/// A drawing in another format.
fn convert(svg: &str, name: &str, args: &RenderArgs) -> Result<Vec<u8>> {
    match &args.format[..] {
        "svg" => {
            check_svg(svg, name)?;
            Ok(svg.as_bytes().to_vec())
        }
        "pdf" => to_pdf(svg, name),
        "png" => to_png(svg, name, args.width),
        "tikz" => to_tikz(svg, name).map(String::into_bytes),
        other => Err(Error::Usage(format!(
            "{other} needs a circuit file of heads and MLPs, which {name} is not"
        ))),
    }
}
