//! Results as files: pure functions from plain data to bytes. One format per file; the drawings of a circuit are
//! listed in [`exporters`].

mod any_circuit;
mod circuit_file;
mod compare;
mod csv;
mod dot;
mod eap_json;
mod figure;
mod json;
pub mod layout;
mod limits;
mod neurons;
mod plot;
mod sae;
mod sae_use;
mod scores;
mod svg;
mod table;
mod text;
mod vector;

pub use any_circuit::AnyCircuit;
pub use circuit_file::{CIRCUIT_FORMAT, CircuitFile, EdgeEntry, ModelStamp};
pub use compare::{Comparison, compare_csv, compare_latex, compare_markdown, compare_text};
pub use csv::{curve_csv, edges_csv};
pub use dot::{Dot, to_dot};
pub use eap_json::{EapEdge, EapGraph, Imported, to_eap_json};
pub use figure::{Figure, FigureEdge, FigureNode, Port};
pub use json::{Provenance, REPORT_FORMAT, figure_warnings, report_json, trace_lines};
pub use neurons::{doses_svg, neurons_csv, neurons_text};
pub use sae::{LensStamp, density_svg, sae_csv, sae_lens, sae_text, training_svg};
pub use sae_use::{decomposed_csv, effects_csv, effects_svg, written_text};
pub use scores::scores_safetensors;
pub use svg::{Svg, to_svg};
pub use table::table;
pub use vector::{
    VectorStamp, samples_text, vector_csv, vector_safetensors, vector_svg, vector_text,
};

use crate::error::{Error, Result};

/// A format that a circuit can be drawn in.
pub trait Exporter: Sync {
    /// Name on the command line, and the file's extension.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// The drawing.
    ///
    /// # Errors
    /// When the file describes no circuit.
    fn export(&self, file: &CircuitFile) -> Result<Vec<u8>>;
}

/// The formats, in the order of the help text.
pub fn exporters() -> &'static [&'static dyn Exporter] {
    &[&Dot, &Svg]
}

/// The format of this name.
///
/// # Errors
/// When there is none; the message lists those there are.
pub fn exporter(name: &str) -> Result<&'static dyn Exporter> {
    let found = exporters().iter().find(|format| format.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = exporters().iter().map(|format| format.name()).collect();
        Error::Usage(format!(
            "there is no format `{}`; there are {}",
            text::one_line(name),
            names.join(", ")
        ))
    })
}
