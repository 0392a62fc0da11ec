//! Results as files: pure functions from plain data to bytes. One format per file; the drawings of a circuit are
//! listed in [`exporters`].

pub(crate) mod circuit;
mod compare;
pub(crate) mod csv;
pub(crate) mod effect;
pub(crate) mod html;
mod json;
mod latex;
mod own_file;
mod paper;
pub(crate) mod plots;
mod rows;
pub(crate) mod table;
pub(crate) mod tensor_file;
pub(crate) mod text;

pub use circuit::any_circuit::AnyCircuit;
pub use circuit::circuit_file::{CIRCUIT_FORMAT, CircuitFile, EdgeEntry, ModelStamp};
pub use circuit::dot::{Dot, to_dot};
pub use circuit::eap_json::{EapEdge, EapGraph, Imported, to_eap_json};
pub use circuit::features_file::{FeatureEdge, FeatureSource, FeaturesFile, ScoredNode};
pub use circuit::figure::{Detail, Figure, FigureEdge, FigureNode, FigureOptions, Port};
pub use circuit::layout;
pub use circuit::limits::{check_number, read_figures};
pub use circuit::roles::{NodeRoles, Roles, parse_roles};
pub use circuit::scores::scores_safetensors;
pub use circuit::show::{Branch, ShowLook, ShowOptions, circuit_tree, show_json, show_text};
pub use circuit::style::{Direction, Style, Theme};
pub use circuit::svg::{Svg, to_svg};
pub use compare::{
    Comparison, compare_csv, compare_json, compare_latex, compare_markdown, compare_text, decimals,
};
pub use csv::{curve_csv, edges_csv};
pub use html::{
    AttentionExample, AttentionExamples, CircuitPage, HeadAttention, Html, MOST_PAGE_EDGES,
    PageStamp, PromptText, RunDetails, analysis_html, circuit_html, compare_html,
};
pub use json::{Provenance, REPORT_FORMAT, report_json, trace_lines};
pub use own_file::{OwnFile, logits_safetensors};
pub use paper::{PaperBaseline, PaperPoint, PaperReport, PaperResult, numbers_tex, result_names};
pub use plots::curves::{curve_svg, heads_svg, roc_svg, scores_svg};
pub use plots::growth::{BenchRecord, SweepPart, growth_svg, parse_bench};
pub use plots::heat_map::{Colours, HeatCell, HeatMap};
#[cfg(feature = "pictures")]
pub use plots::picture::{MOST_PIXELS, Pdf, Png, check_svg, outlined, to_pdf, to_png};
pub use plots::plot_colours::recoloured;
#[cfg(feature = "pictures")]
pub use plots::tikz::{Tikz, to_tikz};
pub use rows::Rows;
pub use table::{table, table_within, wrapped};
pub use text::thousands;

use crate::error::{Error, Result};

/// A format that a circuit can be drawn in.
pub trait Exporter: Sync {
    /// Name on the command line, and the file's extension.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// The drawing of a circuit file.
    ///
    /// # Errors
    /// When the file describes no circuit, or an option is impossible.
    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>>;
}

/// The formats, in the order of the help text.
pub fn exporters() -> &'static [&'static dyn Exporter] {
    &[
        &Dot,
        &Svg,
        &Html,
        #[cfg(feature = "pictures")]
        &Pdf,
        #[cfg(feature = "pictures")]
        &Png,
        #[cfg(feature = "pictures")]
        &Tikz,
    ]
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
