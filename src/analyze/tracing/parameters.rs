//! What can be asked about the sites of a fact.

use serde::{Deserialize, Serialize};

/// Most samples of noise.
const MOST_SAMPLES: usize = 1000;
/// Most layers restored at a time.
const MOST_LAYERS: usize = 1000;
/// Largest noise.
const LARGEST_NOISE: f64 = 1000.0;

/// Where the stream has what a prompt's subject gives. The subject is where clean and corrupt prompt differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// Standard deviation of the noise on the subject's embeddings, as a multiple of that of all numbers in the embeddings of
    /// the subjects' tokens.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Tracing::default().noise, allow_negative_numbers = true))]
    pub noise: f64,
    /// Number of draws of the noise for each prompt.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Tracing::default().samples))]
    pub samples: usize,
    /// Seed of the noise.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Tracing::default().seed))]
    pub seed: u64,
    /// Layers after which the stream is restored, ascending [default: all].
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,..", value_delimiter = ','))]
    pub layers: Vec<usize>,
    /// Number of layers whose attentions, or MLPs, are restored together; 0 leaves these out.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Tracing::default().window))]
    pub window: usize,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            noise: 3.0,
            samples: 10,
            seed: 0,
            layers: Vec::new(),
            window: 5,
        }
    }
}

impl Tracing {
    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &'static str, problem: String| {
            if !holds {
                found.push((key, problem));
            }
        };
        require(
            self.noise > 0.0 && self.noise <= LARGEST_NOISE,
            "analysis.Tracing.noise",
            format!(
                "expected more than 0 and at most {LARGEST_NOISE}, got {:?}",
                self.noise
            ),
        );
        require(
            (1..=MOST_SAMPLES).contains(&self.samples),
            "analysis.Tracing.samples",
            format!("expected 1 to {MOST_SAMPLES}, got {}", self.samples),
        );
        require(
            self.window <= MOST_LAYERS,
            "analysis.Tracing.window",
            format!("expected at most {MOST_LAYERS}, got {}", self.window),
        );
        require(
            self.layers.is_sorted_by(|one, next| one < next),
            "analysis.Tracing.layers",
            format!("expected ascending layers, got {:?}", self.layers),
        );
        found
    }
}
