//! Which features a layer holds: sparse autoencoders, trained on what a layer represents at every position of text.

mod adam;
mod dictionary;
mod figures;
mod gradient;
mod lens_config;
mod load;
mod parameters;
mod revival;
mod rows;
mod train;

pub use dictionary::Dictionary;
pub use figures::{FeatureFigures, SaeReport, SpliceFigures, measure};
pub use gradient::{Gradient, Loss, gradient};
pub use load::{LoadedDictionary, load_dictionary};
pub use parameters::{Corpus, Sae, SaeKind};
pub use rows::{Rows, TextRows};
pub use train::{Progress, Round, Training};
