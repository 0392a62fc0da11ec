//! Questions besides the one for a circuit, answered on the same engine, models and tasks.

mod effect;
pub mod neurons;
pub mod sae;
mod samples;
pub mod vector;

use serde::{Deserialize, Serialize};

use crate::model::Tokenizer;

pub use effect::Effect;
pub use neurons::Neurons;
pub use sae::Sae;
pub use vector::Vector;

/// A question about a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Analysis {
    /// Which neurons' activation goes with a behaviour, and which neurons it needs.
    Neurons(Neurons),
    /// Which features a layer holds.
    Sae(Sae),
    /// Which direction of the residual stream carries a behaviour.
    Vector(Vector),
}

/// Tokens as text, or as their ids where the model has no tokenizer.
fn text_of(tokenizer: Option<&Tokenizer>, tokens: &[u32]) -> String {
    if let Some(tokenizer) = tokenizer {
        return tokenizer.decode(tokens);
    }
    let ids: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    ids.join(" ")
}
