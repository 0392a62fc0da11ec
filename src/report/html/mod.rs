//! Results as one HTML file that loads nothing from elsewhere: the report of a circuit, comparisons, analyses.
//!
//! What varies stands in the page as escaped text, or as JSON that `circuit_page/` reads. The scripts are the same bytes in
//! every page.

mod analysis;
mod attention;
mod circuit;
mod compare;
mod curve;
mod data;
mod escape;
mod features;
mod figures;
mod heat_maps;
mod page;
mod prompts;

pub use analysis::{PageStamp, analysis_html};
pub use attention::{AttentionExample, AttentionExamples, HeadAttention};
pub use circuit::{CircuitPage, Html, RunDetails, circuit_html};
pub use compare::compare_html;
pub use data::MOST_PAGE_EDGES;
pub(crate) use heat_maps::{Section, heat_map_page};
pub(crate) use page::PAGE_START;
pub use prompts::PromptText;
