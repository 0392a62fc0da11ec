//! What a neuron does: which MLP neurons' activation correlates with a behaviour, and which of them the behaviour needs.
//!
//! The clean prompts of a task show the behaviour, the corrupt ones do not; or there are two sets of prompts that are no
//! pairs. All neurons of all layers are screened at once on the discovery prompts: by their activations on both kinds of
//! prompts, and by attribution. The effect of the most promising is then measured by replacing each of them, on held-out
//! prompts.

mod analysis;
mod contexts;
mod dose;
mod effects;
mod group;
mod measured;
mod parameters;
mod report;
mod run;
mod screen;
mod statistics;
mod task;
mod text;

pub use contexts::Context;
pub(in crate::analyze) use contexts::keep_most_active;
pub use dose::{DosePoint, DoseResponse, Trend};
pub use group::NeuronSet;
pub use parameters::{Neurons, Pool};
pub use report::{NeuronReport, NeuronScores, Verdict};
pub use run::find_neurons;
pub(crate) use run::{least_room, no_neurons};
pub use statistics::Association;
pub use task::{Contrast, ContrastSets, NeuronTask};
pub use text::{doses_svg, neurons_csv, neurons_text};
