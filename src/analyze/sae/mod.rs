//! Which features a layer holds: sparse autoencoders, trained on what a layer represents at every position of text or
//! loaded from files, what they make of prompts, and what their features do.

mod adam;
mod analysis;
mod change;
pub(crate) mod checkpoint;
mod decompose;
mod dictionary;
mod effects;
mod effects_report;
mod effects_text;
mod figures;
mod files;
mod gradient;
mod lens_config;
mod load;
mod parameters;
mod revival;
mod rows;
mod screen;
mod superposition;
mod text;
mod train;
mod training;

pub(in crate::analyze) use analysis::{trained, warn_of_other_model};
pub use change::{FeatureChange, FeatureEffects};
pub use decompose::{ActiveFeature, DecomposedPrompt, DecomposedToken, decompose};
pub use dictionary::Dictionary;
pub use effects::{FeatureTask, feature_effects};
pub use effects_report::{ChangeEffect, EffectsReport, FeatureEffect, SteeredSamples};
pub use effects_text::{decomposed_csv, effects_csv, effects_svg, written_text};
pub use figures::{FeatureScores, LoadedFrom, SaeReport, SpliceScores, measure};
pub use gradient::{Gradient, Loss, gradient};
pub(super) use load::dictionary_files;
pub use load::{LoadedDictionary, load_dictionary};
pub use parameters::{Corpus, Recipe, Sae, SaeKind};
pub use rows::{Rows, TextRows};
pub use superposition::{Recovery, Superposition};
pub use text::{LensStamp, density_svg, sae_csv, sae_lens, sae_text, training_svg};
pub use train::{Progress, Round, Stage, Training};
