//! What can be asked about a representation.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::prompts::TargetPrompt;
#[cfg(feature = "cli")]
use crate::flags::{shown, value};

/// Most texts whose representation is read out.
const MOST_TEXTS: usize = 100;
/// Most prompts of the task that are read out besides.
const MOST_SAMPLES: usize = 100;
/// Most tokens that are written.
const MOST_TOKENS: usize = 1000;
/// Most tokens that maps are fitted on.
const MOST_FITTED: usize = 1 << 16;
/// Largest penalty of a fit.
const LARGEST_PENALTY: f64 = 1e6;

/// What a representation says when it is patched into another prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Patchscope {
    /// The target prompt: `Identity`, `Description`, `Feature(Capital)` (or `Continent`, `Currency`, `Language`, `Opposite`) or
    /// `Text("The capital of x is")`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "PROMPT", value_parser = value::<TargetPrompt>(), default_value = shown(&TargetPrompt::default())))]
    pub prompt: TargetPrompt,
    /// The word of the target prompt at whose last occurrence representations are patched in [default: `?` of `Identity`, `x` of
    /// others].
    #[cfg_attr(feature = "cli", arg(long, value_name = "WORD"))]
    pub placeholder: Option<String>,
    /// How many positions before the scored one the representations of a task's prompts are taken.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Patchscope::default().positions_before))]
    pub positions_before: usize,
    /// Layers after which representations are taken, ascending [default: all].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub source_layers: Vec<usize>,
    /// Layers after which they are patched in, ascending [default: all].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub target_layers: Vec<usize>,
    /// What representations go through: `Identity`, `Ridge(text: "FILE")` (affine maps fitted on a text) or
    /// `Lens("FILE.safetensors")` (the maps of a tuned lens that `lens --tune` saved).
    #[cfg_attr(feature = "cli", arg(long, value_name = "MAPPING", value_parser = value::<Mapping>(), default_value = shown(&Mapping::default())))]
    pub mapping: Mapping,
    /// What the prompts of the task should say: `Next` (the model's own next token) or `Answer` (the task's).
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT", value_parser = value::<Expected>(), default_value = shown(&Expected::default())))]
    pub expected: Expected,
    /// Texts whose last token is decoded. The flag may be repeated.
    #[cfg_attr(feature = "cli", arg(long = "text", value_name = "TEXT"))]
    pub texts: Vec<String>,
    /// Number of held-out prompts of the task that are decoded besides.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Patchscope::default().samples))]
    pub samples: usize,
    /// The target layer for decoding: `Same` as the source layer, or `Layer(5)`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "LAYER", value_parser = value::<DecodeLayer>(), default_value = shown(&DecodeLayer::default())))]
    pub decode_layer: DecodeLayer,
    /// Number of tokens generated.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Patchscope::default().tokens))]
    pub tokens: usize,
}

/// What is made of a representation on the way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Mapping {
    /// Nothing.
    #[default]
    Identity,
    /// An affine map from each source layer to each target layer, fitted by ridge regression on a text.
    Ridge {
        /// The text file.
        text: PathBuf,
        /// Tokens of it that are read.
        #[serde(default = "default_fitted")]
        tokens: usize,
        /// What is added to the diagonal of the normal equations, in units of its mean.
        #[serde(default = "default_penalty")]
        penalty: f64,
    },
    /// Through the maps of a tuned lens that `lens` saved: onto the final stream by the source layer's map, and from there
    /// back by the target layer's.
    Lens(PathBuf),
}

impl Mapping {
    /// Its name in words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Ridge { .. } => "ridge",
            Self::Lens(_) => "tuned lens",
        }
    }
}

fn default_fitted() -> usize {
    2048
}

fn default_penalty() -> f64 {
    0.01
}

/// What a prompt is expected to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// The token that the model itself predicts at the position that the representation is taken from.
    #[default]
    Next,
    /// An answer of the task.
    Answer,
}

/// After which layer a representation is put to be read out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecodeLayer {
    /// After the one that it was taken from.
    #[default]
    Same,
    /// Always after the same.
    Layer(usize),
}

impl Default for Patchscope {
    fn default() -> Self {
        Self {
            prompt: TargetPrompt::default(),
            placeholder: None,
            positions_before: 0,
            source_layers: Vec::new(),
            target_layers: Vec::new(),
            mapping: Mapping::default(),
            expected: Expected::default(),
            texts: Vec::new(),
            samples: 2,
            decode_layer: DecodeLayer::default(),
            tokens: 10,
        }
    }
}

impl Patchscope {
    /// The word in whose place representations are put.
    pub fn placeholder(&self) -> &str {
        let own = self.placeholder.as_deref();
        own.unwrap_or_else(|| self.prompt.placeholder())
    }

    /// The file that it reads, with its key in the spec.
    pub(crate) fn file(&self) -> Option<(&'static str, &Path)> {
        match &self.mapping {
            Mapping::Identity => None,
            Mapping::Ridge { text, .. } => Some(("analysis.Patchscope.mapping.Ridge.text", text)),
            Mapping::Lens(lens) => Some(("analysis.Patchscope.mapping", lens)),
        }
    }

    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self, has_task: bool) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &'static str, problem: String| {
            if !holds {
                found.push((key, problem));
            }
        };
        require(
            !self.prompt.text().trim().is_empty(),
            "analysis.Patchscope.prompt.Text",
            "expected a text".into(),
        );
        require(
            !self.placeholder().trim().is_empty()
                && self.placeholder().trim() == self.placeholder(),
            "analysis.Patchscope.placeholder",
            "expected a word without space around it".into(),
        );
        for (key, layers) in [
            ("analysis.Patchscope.source_layers", &self.source_layers),
            ("analysis.Patchscope.target_layers", &self.target_layers),
        ] {
            require(
                layers.is_sorted_by(|one, next| one < next),
                key,
                format!("expected ascending layers, got {layers:?}"),
            );
        }
        if let Mapping::Ridge {
            tokens, penalty, ..
        } = &self.mapping
        {
            require(
                (2..=MOST_FITTED).contains(tokens),
                "analysis.Patchscope.mapping.Ridge.tokens",
                format!("expected 2 to {MOST_FITTED}, got {tokens}"),
            );
            require(
                *penalty > 0.0 && *penalty <= LARGEST_PENALTY,
                "analysis.Patchscope.mapping.Ridge.penalty",
                format!("expected more than 0 and at most {LARGEST_PENALTY}, got {penalty:?}"),
            );
        }
        for (key, most, got) in [
            ("analysis.Patchscope.texts", MOST_TEXTS, self.texts.len()),
            ("analysis.Patchscope.samples", MOST_SAMPLES, self.samples),
            ("analysis.Patchscope.tokens", MOST_TOKENS, self.tokens),
        ] {
            require(
                got <= most,
                key,
                format!("expected at most {most}, got {got}"),
            );
        }
        require(
            self.texts.iter().all(|text| !text.trim().is_empty()),
            "analysis.Patchscope.texts",
            "an empty text has no representation; remove it".into(),
        );
        require(
            has_task || !self.texts.is_empty(),
            "task",
            "missing: a patchscope needs prompts of a task, `texts`, or both".into(),
        );
        require(
            has_task || self.tokens > 0,
            "analysis.Patchscope.tokens",
            "expected at least 1: without a task, what is written is all there is".into(),
        );
        found
    }
}
