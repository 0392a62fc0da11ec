//! What a prompt says when one token's direction in the stream is swapped for another's.
//!
//! Each prompt has a token that it says and one that it is to say instead. In the stream after a layer, the component
//! along the first one's vector is made smaller and one along the second's is added. Layer and strength are chosen on
//! discovery prompts; on held-out ones the new predictions are counted, next to random directions of the same size, and what
//! the same change does to other prompts and to text.

mod analysis;
mod change;
mod changed;
mod judge;
mod parameters;
mod report;
mod run;
mod side_effects;
mod sweep;
mod text;

pub(in crate::analyze) use change::{Change, Directions};
pub use change::{SwapPrompt, SwapSite};
pub(in crate::analyze) use parameters::LARGEST_STRENGTH;
pub use parameters::{Edit, EditAt, EditScale};
pub(crate) use report::after_layers;
pub use report::{
    EditReport, EditSweepPoint, EditedText, OtherPrompts, SwapResult, SwapScores, TokenChange,
};
pub use run::{EditTask, edit};
pub use text::{edit_csv, edit_svg, edit_text};
