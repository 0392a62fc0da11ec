//! Where in the model a prompt's subject is turned into its answer.
//!
//! Noise on the embeddings of the subject's tokens makes the model forget the answer. Then the stream after one layer at one
//! position, or what the attentions or MLPs of some layers write at one position, is restored as it was without noise; how
//! much of the answer's probability comes back is that site's indirect effect. Reference: Meng et al. 2022, "Locating and
//! editing factual associations in GPT", arXiv:2202.05262.

mod analysis;
mod effects;
mod item;
mod parameters;
mod places;
mod report;
mod run;
mod text;

pub use effects::ItemEffects;
pub use item::{Role, TraceItem};
pub use parameters::Tracing;
pub use report::{TraceCell, TracePart, TracePeak, TracedItem, TracingReport};
pub use run::{TracingTask, trace};
pub use text::{traced_prompt_svg, tracing_csv, tracing_svg, tracing_text};
