//! Which features a layer holds: sparse autoencoders, trained on what a layer represents at every position of text or
//! loaded from files, what they make of prompts, and what their features do.

mod adam;
mod change;
mod decompose;
mod dictionary;
mod effects;
mod effects_report;
mod figures;
mod gradient;
mod lens_config;
mod load;
mod parameters;
mod revival;
mod rows;
mod screen;
mod superposition;
mod train;

pub use change::{FeatureChange, FeatureEffects};
pub use decompose::{ActiveFeature, DecomposedPrompt, DecomposedToken, decompose};
pub use dictionary::Dictionary;
pub use effects::{FeatureTask, feature_effects};
pub use effects_report::{ChangeEffect, EffectsReport, FeatureEffect, SteeredSamples};
pub use figures::{FeatureFigures, LoadedFrom, SaeReport, SpliceFigures, measure};
pub use gradient::{Gradient, Loss, gradient};
pub(super) use load::dictionary_files;
pub use load::{LoadedDictionary, load_dictionary};
pub use parameters::{Corpus, Recipe, Sae, SaeKind};
pub use rows::{Rows, TextRows};
pub use superposition::{Recovery, Superposition};
pub use train::{Progress, Round, Stage, Training};
