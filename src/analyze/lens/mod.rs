//! What a model would say after each layer: its final norm and unembedding read the stream there, as it is (the logit lens)
//! or mapped by what was fitted on text (the tuned lens); and what every part adds to the logit.

mod analysis;
mod attribution;
mod maps;
mod parameters;
mod report;
mod room;
mod run;
mod seen;
mod text;
mod tuned;
mod tuned_file;

pub use crate::engine::StreamSite;
pub(in crate::analyze) use analysis::saved_lens;
pub use attribution::{Attributed, Attribution, ComponentScores, attribute};
pub use maps::{attribution_svg, lens_html, lens_svg, tuned_lens_svg};
pub use parameters::{Lens, Tuned, TunedFit};
pub use report::{DrawnPrompt, LensReport, LensScores, SiteScores};
pub use room::room;
pub use run::{LensPrompt, LensTask, look};
pub use seen::{LensPrediction, Likely};
pub(in crate::analyze) use seen::{Reader, TrackedTokens};
pub use text::{
    attribution_csv, lens_csv, lens_kl_svg, lens_probability_svg, lens_text, tuned_csv,
};
pub use tuned::{TunedLens, TunedLensScores, TunedPlace, fit, judge_lens, train};
pub use tuned_file::{parse_tuned_lens, tuned_lens_safetensors};
