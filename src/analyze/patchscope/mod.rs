//! What a representation says when it is put into another prompt.
//!
//! The stream at a position of a source prompt, after some layer, overwrites the stream at the place of a word of another
//! prompt, after some layer; the model goes on from there and says what it has been given. Reference: Ghandeharioun et al.
//! 2024, "Patchscopes: a unifying framework for inspecting hidden representations of language models", arXiv:2401.06102.

mod analysis;
mod between;
mod figures;
mod grid;
mod parameters;
mod prompts;
mod report;
mod ridge;
mod run;
mod target_tokens;
mod text;
mod written;

pub use parameters::{DecodeLayer, Expected, Mapping, Patchscope};
pub use prompts::{Feature, TargetPrompt};
pub use report::{
    DecodedLayer, DecodedText, DecodingScores, GridPoint, LayerScores, Overall, PatchscopeReport,
};
pub use run::{PatchscopeTask, Source, look};
pub use target_tokens::TargetTokens;
pub use text::{decoded_text, grid_csv, grid_svg, patchscope_text, precision_svg, surprisal_svg};
