//! The tuned lens: an affine map of each site's stream onto the final one, fitted on text, before which the logit lens
//! reads. Reference: Belrose et al., arXiv:2303.08112.

mod fit;
mod judge;
mod maps;
mod train;

pub use fit::fit;
pub use judge::{TunedLensScores, TunedPlace, judge_lens};
pub use maps::TunedLens;
pub use train::train;
