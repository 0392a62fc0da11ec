//! What a model would say after each layer: its final norm and unembedding read the stream there, as it is (the logit lens)
//! or mapped by what was fitted on text (the tuned lens); and what every part adds to the logit.

mod attribution;
mod parameters;
mod report;
mod room;
mod run;
mod seen;
mod tuned;

pub use crate::engine::Place;
pub use attribution::{Attributed, Attribution, PartFigures, attribute};
pub use parameters::{Lens, Tuned, TunedFit};
pub use report::{DrawnPrompt, LensReport, PlaceFigures, SeenFigures};
pub use room::room;
pub use run::{LensPrompt, LensTask, look};
pub(in crate::analyze) use seen::{Followed, Reader};
pub use seen::{Likely, Seen};
pub use tuned::{TunedFigures, TunedLens, TunedPlace, fit, judge_lens, train};
