//! Questions besides the one for a circuit, answered on the same engine, models and tasks.

mod adam;
mod affine;
mod analysis;
pub mod attention;
mod corpus;
pub mod edit;
pub mod feature_circuit;
#[cfg(feature = "cli")]
mod flags;
pub mod lens;
mod mistakes;
pub mod neurons;
mod normal_equations;
pub mod patchscope;
mod pieces;
mod prediction;
pub mod prompt;
mod random;
pub mod relation;
pub mod residual;
pub mod sae;
mod samples;
mod setting;
mod shared;
mod sign;
pub mod tracing;
mod variance;
pub mod vector;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Tokenizer;
use crate::task::TaskSource;

pub use affine::AffineMap;
pub(crate) use analysis::keyed;
pub use analysis::{Analysis, AnalysisOutput, AnalysisReport, Files, PromptSource};
pub use attention::AttentionRoles;
pub use edit::Edit;
pub use feature_circuit::FeatureCircuit;
pub use lens::Lens;
use mistakes::Mistakes;
pub use neurons::Neurons;
pub use patchscope::Patchscope;
pub use prompt::Prompt;
pub use relation::Relation;
pub use residual::Residual;
pub use sae::Sae;
pub use setting::Setting;
pub(crate) use setting::{WrittenOutput, hash_of, known, no_text};
pub use shared::{Shared, SharedKeys};
pub use tracing::Tracing;
pub use vector::Vector;

/// The analyses: a variant for each, and what all of them have in common.
macro_rules! analyses {
    ($($(#[$doc:meta])* $name:ident($parameters:ty),)*) => {
        /// An analysis of any kind with its parameters.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum AnyAnalysis {
            $($(#[$doc])* $name($parameters),)*
        }

        $(impl From<$parameters> for AnyAnalysis {
            fn from(parameters: $parameters) -> Self {
                Self::$name(parameters)
            }
        })*

        impl AnyAnalysis {
            /// Its name in specs.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => <$parameters as Analysis>::NAME,)* }
            }

            /// The shared keys that analyses of this kind read.
            pub fn uses(&self) -> &'static [Shared] {
                match self { $(Self::$name(_) => <$parameters as Analysis>::USES,)* }
            }

            /// Why a shared key is not read, with or without a task; none where it is.
            pub fn ignores(&self, key: Shared, with_task: bool) -> Option<String> {
                match self { $(Self::$name(it) => shared::ignores(it, key, with_task),)* }
            }

            pub(crate) fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
                match self { $(Self::$name(it) => it.mistakes(keys),)* }
            }

            pub(crate) fn prompts(&self) -> PromptSource<'_> {
                match self { $(Self::$name(it) => it.prompts(),)* }
            }

            pub(crate) fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
                match self { $(Self::$name(it) => it.inputs(),)* }
            }

            pub(crate) fn other_task(&self) -> Option<(&'static str, &TaskSource)> {
                match self { $(Self::$name(it) => it.other_task(),)* }
            }

            pub(crate) fn run(&self, setting: &Setting<'_>) -> Result<WrittenOutput> {
                match self { $(Self::$name(it) => setting.run(it),)* }
            }
        }
    };
}

analyses! {
    /// What heads attend to, and which roles that gives them.
    Attention(AttentionRoles),
    /// What a model predicts when one token's direction in the stream is replaced by another's.
    Edit(Edit),
    /// Which features of sparse autoencoders a behaviour needs.
    FeatureCircuit(FeatureCircuit),
    /// What a model would say after each layer.
    Lens(Lens),
    /// Which neurons' activation correlates with a behaviour, and which neurons it needs.
    Neurons(Neurons),
    /// What a representation says when it is patched into another prompt.
    Patchscope(Patchscope),
    /// What the model predicts after one prompt.
    Prompt(Prompt),
    /// Whether a relation is a linear map inside the model.
    Relation(Relation),
    /// How the residual stream grows, and which parts write what into it.
    Residual(Residual),
    /// Which features a layer holds.
    Sae(Sae),
    /// Where the stream has what a prompt's subject gives.
    Tracing(Tracing),
    /// Which direction of the residual stream carries a behaviour.
    Vector(Vector),
}

/// The tokens with the largest numbers, the first of equal ones.
fn largest(values: &[f64], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    let larger = |a: &u32, b: &u32| {
        let (x, y) = (values[*a as usize], values[*b as usize]);
        y.total_cmp(&x).then(a.cmp(b))
    };
    if count < order.len() {
        order.select_nth_unstable_by(count, larger);
        order.truncate(count);
    }
    order.sort_unstable_by(larger);
    order
}

/// Tokens as text, or as their ids where the model has no tokenizer.
fn text_of(tokenizer: Option<&Tokenizer>, tokens: &[u32]) -> String {
    if let Some(tokenizer) = tokenizer {
        return tokenizer.decode(tokens);
    }
    let ids: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    ids.join(" ")
}

/// The layers asked for; all where none is named.
fn layers_asked(n_layers: usize, asked: &[usize]) -> Result<Vec<usize>> {
    if let Some(layer) = asked.iter().find(|layer| **layer >= n_layers) {
        return Err(Error::Usage(format!(
            "there is no layer {layer}: the model has {n_layers}, counted from 0"
        )));
    }
    if asked.is_empty() {
        return Ok((0..n_layers).collect());
    }
    Ok(asked.to_vec())
}
