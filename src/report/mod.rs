//! Results as files: pure functions from plain data to bytes. One format per file; the drawings of a circuit are
//! listed in [`exporters`].

mod any_circuit;
mod attention;
mod axis;
mod circuit_file;
mod collapse;
mod compare;
mod csv;
mod curves;
mod dot;
#[cfg(feature = "pictures")]
mod drawable;
mod eap_json;
mod edit;
mod effect;
mod feature_circuit;
mod features_file;
mod figure;
mod figure_nodes;
mod growth;
mod heat_map;
mod html;
mod json;
mod latex;
pub mod layout;
mod lens;
mod lens_maps;
mod limits;
mod neurons;
mod own_file;
mod paper;
mod patchscope;
#[cfg(feature = "pictures")]
mod picture;
mod plot;
mod plot_colours;
mod prompt;
mod relation;
mod residual;
mod roles;
mod rows;
mod sae;
mod sae_use;
mod scores;
mod show;
mod style;
mod svg;
mod table;
mod tensor_file;
mod text;
#[cfg(feature = "pictures")]
mod tikz;
mod tracing;
mod tuned_lens;
mod vector;

pub use any_circuit::AnyCircuit;
pub use attention::{attention_csv, attention_html, attention_svg, attention_text};
pub use circuit_file::{CIRCUIT_FORMAT, CircuitFile, EdgeEntry, ModelStamp};
pub use compare::{
    Comparison, compare_csv, compare_json, compare_latex, compare_markdown, compare_text, decimals,
};
pub use csv::{curve_csv, edges_csv};
pub use curves::{curve_svg, heads_svg, roc_svg, scores_svg};
pub use dot::{Dot, to_dot};
pub use eap_json::{EapEdge, EapGraph, Imported, to_eap_json};
pub use edit::{edit_csv, edit_svg, edit_text};
pub use feature_circuit::{
    feature_circuit_text, feature_edges_csv, feature_nodes_csv, features_figure,
};
pub use features_file::{FeatureSource, FeaturesFile, ScoredNode};
pub use figure::{Detail, Figure, FigureEdge, FigureNode, FigureOptions, Port};
pub use growth::{BenchRecord, SweepPart, growth_svg, parse_bench};
pub use heat_map::{Colours, HeatCell, HeatMap};
pub use html::{
    AttentionExample, AttentionExamples, CircuitPage, HeadAttention, Html, MOST_PAGE_EDGES,
    PageStamp, PromptText, RunDetails, analysis_html, circuit_html, compare_html,
};
pub use json::{Provenance, REPORT_FORMAT, report_json, trace_lines};
pub use lens::{
    attribution_csv, lens_csv, lens_kl_svg, lens_probability_svg, lens_text, tuned_csv,
};
pub use lens_maps::{attribution_svg, lens_html, lens_svg, tuned_lens_svg};
pub use limits::{check_number, read_figures};
pub use neurons::{doses_svg, neurons_csv, neurons_text};
pub use own_file::{OwnFile, logits_safetensors};
pub use paper::{PaperBaseline, PaperPoint, PaperReport, PaperResult, numbers_tex, result_names};
pub use patchscope::{
    grid_csv, grid_svg, patchscope_text, precision_svg, surprisal_svg, told_text,
};
#[cfg(feature = "pictures")]
pub use picture::{MOST_PIXELS, Pdf, Png, check_svg, outlined, to_pdf, to_png};
pub use plot_colours::recoloured;
pub use prompt::{prompt_csv, prompt_text};
pub use relation::{betas_svg, ranks_svg, relation_csv, relation_svg, relation_text, subjects_csv};
pub use residual::{
    cosines_svg, directions_csv, residual_csv, residual_html, residual_norm_svg, residual_text,
    residual_writes_svg,
};
pub use roles::{NodeRoles, parse_roles, roles_json};
pub use rows::Rows;
pub use sae::{LensStamp, density_svg, sae_csv, sae_lens, sae_text, training_svg};
pub use sae_use::{decomposed_csv, effects_csv, effects_svg, written_text};
pub use scores::scores_safetensors;
pub use show::{Branch, ShowLook, ShowOptions, circuit_tree, show_json, show_text};
pub use style::{Direction, Style, Theme};
pub use svg::{Svg, to_svg};
pub use table::{table, table_within, wrapped};
pub use text::thousands;
#[cfg(feature = "pictures")]
pub use tikz::{Tikz, to_tikz};
pub use tracing::{traced_prompt_svg, tracing_csv, tracing_svg, tracing_text};
pub use tuned_lens::{parse_tuned_lens, tuned_lens_safetensors};
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
