//! Prompts that a representation is put into.

use serde::{Deserialize, Serialize};

/// The prompt that a representation is put into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetPrompt {
    /// Words that stand for themselves, and a question mark: the model says the token that it has been given, or is about
    /// to say.
    #[default]
    Identity,
    /// Names with descriptions, and an `x`: the model describes what it has been given.
    Description,
    /// A sentence about an `x` that asks for something known of it.
    Feature(Feature),
    /// A text of one's own.
    Text(String),
}

/// Something known of a country or a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Feature {
    /// The capital of a country.
    Capital,
    /// The continent of a country.
    Continent,
    /// The currency of a country.
    Currency,
    /// The language of a country.
    Language,
    /// The opposite of a word.
    Opposite,
}

impl TargetPrompt {
    /// The text.
    pub fn text(&self) -> &str {
        match self {
            Self::Identity => "cat -> cat; 1135 -> 1135; hello -> hello; ?",
            Self::Description => {
                "Syria: country in the Middle East, Mozart: Austrian composer, Toyota: Japanese maker of cars, x"
            }
            Self::Feature(Feature::Capital) => "The capital of x is",
            Self::Feature(Feature::Continent) => "On the map, x lies on the continent of",
            Self::Feature(Feature::Currency) => "The currency that people use in x is the",
            Self::Feature(Feature::Language) => "The language that people speak in x is",
            Self::Feature(Feature::Opposite) => "The opposite of x is",
            Self::Text(text) => text,
        }
    }

    /// The word in whose place a representation is put unless another one is named.
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Identity => "?",
            _ => "x",
        }
    }
}
