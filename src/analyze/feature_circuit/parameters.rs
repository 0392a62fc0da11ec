//! What can be asked of a circuit of features.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analyze::Sae;
use crate::analyze::sae::dictionary_files;
use crate::discover::{Method, Search, Select, Target};
use crate::engine::Ablation;
#[cfg(feature = "cli")]
use crate::flags::{shown, value, value_or_path};
use crate::graph::{Dangling, Prune};
use crate::metric::Metric;
use crate::score::EapIgActivations;

/// Most dictionaries.
const MOST_DICTIONARIES: usize = 200;
/// Most steps of integrated gradients.
const MOST_STEPS: usize = 1000;
/// Largest faithfulness asked for.
const MOST_FAITHFUL: f64 = 1.5;
/// Most nodes, edges and contexts that are described.
const MOST_DESCRIBED: usize = 10_000;
/// Most features and errors that are kept: more than the largest dictionaries have.
const MOST_NODES: usize = 1_000_000_000;
/// Most pairs of prompts on which edges are measured.
const MOST_PAIRS: usize = 1_000_000;

/// Which features a behaviour needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct FeatureCircuit {
    /// The sparse autoencoders, each of a different representation: `Load("FOLDER")`, a folder as `secateur sae` writes it, or
    /// `Train(layer: 1, features: 256, text: ..)` with the keys of `Sae`. The flag may be repeated, and takes a folder too.
    #[cfg_attr(feature = "cli", arg(long = "dictionary", value_name = "DICTIONARY", required = true, value_parser = value_or_path(DictionarySource::Load, "(layer: 0, features: 256, text: ..)")))]
    pub dictionaries: Vec<DictionarySource>,
    /// How features are scored: `EapIgActivations(steps: 10)`, `EapIg(steps: 5)`, `Eap()`, `CleanCorrupted()`, `Exact()` or
    /// `Acdc(tau: 0.05)`.
    #[serde(default = "default_method")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "METHOD", value_parser = value::<Method>(), default_value = shown(&default_method())))]
    pub method: Method,
    /// Which features are kept: `Faithfulness(0.9)`, `Top(20)` or `Threshold(0.1)`; not with `Acdc` [default: `Faithfulness(0.9)`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "KEEP", value_parser = value::<Keep>()))]
    pub keep: Option<Keep>,
    /// What replaces a feature that is not kept: `Patch` (the corrupt prompt), `Mean` or `Zero`.
    #[serde(default = "default_ablation")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "ABLATION", value_parser = value::<Ablation>(), default_value = shown(&default_ablation())))]
    pub ablation: Ablation,
    /// Number of nodes whose exact effect is measured and whose contexts are shown: those with the largest `|score|`.
    #[serde(default = "default_described")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_described()))]
    pub described: usize,
    /// Number of contexts shown for each: those of the prompts where it is most active.
    #[serde(default = "default_contexts")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_contexts()))]
    pub contexts: usize,
    /// Number of edges reported: those with the largest `|score|`; 0 leaves edges out.
    #[serde(default = "default_edges")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_edges()))]
    pub edges: usize,
    /// Number of discovery pairs on which edges are scored.
    #[serde(default = "default_edge_pairs")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = default_edge_pairs()))]
    pub edge_pairs: usize,
}

/// Where an autoencoder comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DictionarySource {
    /// Trained by the job.
    Train(Box<Sae>),
    /// A folder with `cfg.json` and `sae_weights.safetensors`, as `secateur sae` writes them.
    Load(PathBuf),
}

/// Which nodes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Keep {
    /// The fewest found that reach this faithfulness.
    Faithfulness(f64),
    /// So many with the largest `|score|`.
    Top(usize),
    /// Those with `|score|` of at least this.
    Threshold(f64),
}

fn default_method() -> Method {
    Method::EapIgActivations(EapIgActivations { steps: 10 })
}

fn default_ablation() -> Ablation {
    Ablation::Patch
}

fn default_described() -> usize {
    30
}

fn default_contexts() -> usize {
    3
}

fn default_edges() -> usize {
    100
}

fn default_edge_pairs() -> usize {
    16
}

impl Keep {
    /// What makes no sense, with its key.
    fn mistake(self) -> Option<(&'static str, String)> {
        match self {
            Self::Faithfulness(wanted) => {
                let problem =
                    format!("expected more than 0 and at most {MOST_FAITHFUL}, got {wanted:?}");
                let fits = wanted > 0.0 && wanted <= MOST_FAITHFUL;
                (!fits).then_some(("keep.Faithfulness", problem))
            }
            Self::Top(count) => {
                let problem = format!("expected 1 to {MOST_NODES}, got {count}");
                (!(1..=MOST_NODES).contains(&count)).then_some(("keep.Top", problem))
            }
            Self::Threshold(least) => {
                let problem = format!("expected a finite number of at least 0, got {least:?}");
                let fits = least >= 0.0 && least.is_finite();
                (!fits).then_some(("keep.Threshold", problem))
            }
        }
    }
}

impl FeatureCircuit {
    /// The faithfulness asked for on the discovery pairs, where one is.
    pub fn asked(&self) -> Option<f64> {
        let target = self.search().target?;
        (!matches!(self.method, Method::Acdc(_))).then_some(target.faithfulness)
    }

    /// The search for the nodes that are kept.
    pub fn search(&self) -> Search {
        let keep = self.keep.unwrap_or(Keep::Faithfulness(0.9));
        let (select, target) = match keep {
            Keep::Faithfulness(faithfulness) => (None, Some(Target { faithfulness })),
            Keep::Top(count) => {
                let select = Select::TopN {
                    edges: Some(count),
                    share: None,
                };
                (Some(select), None)
            }
            Keep::Threshold(least) => (Some(Select::Threshold(least)), None),
        };
        Search {
            method: self.method.clone(),
            select,
            target,
            // A node is the one edge that it has.
            prune: Prune::Edges,
            dangling: Dangling::NoPathToLogits,
        }
    }

    /// The files that it takes autoencoders and text from.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for source in &self.dictionaries {
            match source {
                DictionarySource::Train(sae) => files.extend(sae.text.files().iter().cloned()),
                DictionarySource::Load(folder) => files.extend(dictionary_files(folder)),
            }
        }
        files
    }

    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self, metric: Metric) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, key: &str, problem: String| {
            if !holds {
                let key = if key == "metric" {
                    key.to_owned()
                } else {
                    format!("analysis.FeatureCircuit.{key}")
                };
                found.push((key, problem));
            }
        };
        require(
            metric.has_gradient() && !metric.needs_full_model(),
            "metric",
            format!(
                "{metric:?} has no gradient on the clean run, by which features and their edges are scored\nhint: use \
                 metric: LogitDiff, ProbDiff or Nll"
            ),
        );
        let count = self.dictionaries.len();
        require(
            (1..=MOST_DICTIONARIES).contains(&count),
            "dictionaries",
            format!("expected 1 to {MOST_DICTIONARIES}, got {count}"),
        );
        let steps = match &self.method {
            Method::EapIg(method) => Some(method.steps),
            Method::EapIgActivations(method) => Some(method.steps),
            _ => None,
        };
        require(
            steps.is_none_or(|steps| (1..=MOST_STEPS).contains(&steps)),
            &format!("method.{}.steps", self.method.name()),
            format!("expected 1 to {MOST_STEPS}, got {}", steps.unwrap_or(0)),
        );
        if let Method::Acdc(acdc) = &self.method {
            require(
                acdc.tau.is_finite(),
                "method.Acdc.tau",
                format!("expected a finite number, got {:?}", acdc.tau),
            );
            require(
                acdc.order.is_own(),
                "method.Acdc.order",
                "features have no list of edges; leave it out".into(),
            );
            require(
                self.keep.is_none(),
                "keep",
                "with Acdc, tau decides which features stay\nhint: leave `keep` out".into(),
            );
        }
        if let Some((key, problem)) = self.keep.and_then(Keep::mistake) {
            require(false, key, problem);
        }
        require(
            matches!(
                self.ablation,
                Ablation::Patch | Ablation::Mean | Ablation::Zero
            ),
            "ablation",
            format!(
                "{:?} does not replace features\nhint: use ablation: Patch, Mean or Zero",
                self.ablation
            ),
        );
        for (key, got) in [
            ("described", self.described),
            ("contexts", self.contexts),
            ("edges", self.edges),
        ] {
            require(
                got <= MOST_DESCRIBED,
                key,
                format!("expected at most {MOST_DESCRIBED}, got {got}"),
            );
        }
        require(
            self.edges == 0 || (1..=MOST_PAIRS).contains(&self.edge_pairs),
            "edge_pairs",
            format!(
                "expected 1 to {MOST_PAIRS}, got {}\nhint: edges: 0 leaves edges out",
                self.edge_pairs
            ),
        );
        found.extend(self.training_mistakes());
        found
    }

    /// Mistakes in how autoencoders are to be trained.
    fn training_mistakes(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for source in &self.dictionaries {
            if let DictionarySource::Train(sae) = source {
                let unused = [
                    ("load", sae.load.is_some(), "name the folder as Load(..)"),
                    ("prompts", !sae.prompts.is_empty(), "leave it out"),
                ];
                for (part, _, hint) in unused.into_iter().filter(|(_, named, _)| *named) {
                    let problem = format!("`{part}` of Train(..) is not used here; {hint}");
                    found.push(("analysis.FeatureCircuit.dictionaries".to_owned(), problem));
                }
                let own = sae.wrong_values(None).into_iter();
                found.extend(own.map(|(key, problem)| {
                    let part = key.trim_start_matches("analysis.Sae.");
                    let problem = format!("`{part}` of Train(..): {problem}");
                    ("analysis.FeatureCircuit.dictionaries".to_owned(), problem)
                }));
            }
        }
        found
    }
}
