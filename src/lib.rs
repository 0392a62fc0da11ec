//! Secateur finds the circuit inside a transformer language model that does a task: it prunes the model's
//! computation graph down to the smallest part it can find that still gives the answers.
//!
//! One discovery, from a model to a circuit judged on prompts that the search never saw:
//!
//! ```
//! use std::path::Path;
//!
//! use secateur::engine::AblationValues;
//! use secateur::evaluate::{EvaluationPlan, evaluate};
//! use secateur::events::Silent;
//! use secateur::graph::{Dangling, Granularity, NeuronNodes, Prune};
//! use secateur::model::PrependBos;
//! use secateur::score::EapIg;
//! use secateur::task::{Ioi, IoiCorruption, LoadRequest};
//! use secateur::{
//!     Ablation, Circuit, ComputationGraph, Method, Metric, ModelEvaluator, Search, Target, TaskSource,
//!     Transformer, discover, load_model,
//! };
//!
//! // A model, and clean/corrupt prompts made for its tokenizer; half of them only judge the circuit.
//! let model = load_model("builtin:toy-llama", Path::new("."))?;
//! let task = TaskSource::Ioi(Ioi { pairs: 64, seed: 0, corruption: IoiCorruption::IndirectObject });
//! let dataset = task.load(&LoadRequest {
//!     prompts: secateur::task::Prompts::Pairs,
//!     tokenizer: model.tokenizer.as_ref(),
//!     config: model.config(),
//!     prepend_bos: PrependBos::Auto,
//!     base: Path::new("."),
//!     observer: &Silent,
//! })?;
//! let (discovery, held_out) = dataset.split(0.5);
//!
//! // The graph whose edges are pruned, and the model that runs circuits of it.
//! let graph = ComputationGraph::new(model.config(), &Granularity::default(), &NeuronNodes::new())?;
//! let transformer = Transformer::new(&model.weights, &graph);
//! let (metric, ablation) = (Metric::LogitDiff, Ablation::Patch);
//! let ablated = AblationValues::new(&transformer, &discovery, ablation, &Silent)?;
//!
//! // The smallest circuit found that closes 90% of the gap between the fully ablated model and the full one.
//! let mut evaluator = ModelEvaluator::new(&transformer, &discovery, metric, ablation, &ablated)?;
//! let search = Search {
//!     method: Method::EapIg(EapIg { steps: 5 }),
//!     select: None,
//!     target: Some(Target { faithfulness: 0.9 }),
//!     prune: Prune::Edges,
//!     dangling: Dangling::NoPathEitherWay,
//! };
//! let found = discover(&mut evaluator, &search, &Silent)?;
//! let circuit = Circuit { kept: found.kept, scores: Some(found.scores) };
//!
//! let mut judge = ModelEvaluator::new(&transformer, &held_out, metric, ablation, &ablated)?;
//! let plan = EvaluationPlan {
//!     metric,
//!     curve: false,
//!     random_baselines: 5,
//!     bootstrap: 0,
//!     dangling: search.dangling,
//! };
//! let figures = evaluate(&mut judge, &graph, &circuit, &plan, &Silent)?;
//!
//! assert!(figures.faithfulness.is_some_and(|faithfulness| faithfulness > 0.7));
//! assert!(circuit.edge_count() < graph.edge_count() / 4);
//! # Ok::<(), secateur::Error>(())
//! ```
//!
//! A run spec says the same in a file; [`spec`] reads it and [`run`] carries it out, with results on disk.
//!
//! # Glossary
//!
//! - **ablation**: what replaces the contribution of a removed edge, [`Ablation`].
//! - **attribution**: an estimate of an edge's effect from gradients instead of a run without it.
//! - **circuit**: the edges kept; every other edge is ablated, [`Circuit`].
//! - **clean**, **corrupt**: the prompt that shows the behaviour, and its counterpart of the same number of tokens
//!   that does not, [`Example`].
//! - **dangling**: parts of a circuit that lie on no path from `input` to `logits`, [`graph::Dangling`].
//! - **discovery**, **held out**: the examples that a search sees, and those it never sees.
//! - **edge**: writer -> reader, written `m0->a1.h2<q>`.
//! - **empty circuit**: no edge kept; under patch ablation exactly the corrupt run.
//! - **faithfulness**: (metric of the circuit - metric of the empty circuit) / (metric of the full model - metric of
//!   the empty circuit), a ratio of means over examples.
//! - **granularity**: what becomes a node or an edge of its own, [`graph::Granularity`].
//! - **head**: one attention head: a writer, with readers for queries, keys and values; `a3.h1` is head 1 of layer 3.
//! - **metric**: one number per example from its logits, larger is better, [`Metric`].
//! - **neuron**: one hidden unit of an MLP; `m3.n17` is unit 17 of layer 3.
//! - **node**: a writer, seen together with the readers that it is computed from.
//! - **reader**: a place that reads the residual stream through its own norm: queries, keys or values of a head, an
//!   MLP, or `logits`, [`graph::Reader`].
//! - **residual stream**: the sum that all writers add to and all readers read.
//! - **score**: the drop of the metric when an edge is ablated, exact or estimated; positive = the edge helps, [`score`].
//! - **writer**: what adds to the residual stream: `input` (the token embedding), a head, an MLP or a neuron,
//!   [`graph::Node`].

pub mod analyze;
pub mod bench;
mod contain;
pub mod discover;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod events;
#[cfg(feature = "cli")]
pub mod flags;
pub mod graph;
pub mod input;
pub mod metric;
pub mod model;
pub mod output;
pub mod parity;
pub mod paths;
pub mod report;
mod ron_line;
pub mod run;
pub mod score;
pub mod setting;
pub mod spec;
pub mod task;
mod version;
mod visible;

pub use contain::is_contained;
pub use discover::{Method, Search, Target, discover};
pub use engine::{Ablation, Evaluator, ModelEvaluator, Transformer};
pub use error::{Error, Result};
pub use graph::{Circuit, ComputationGraph, EdgeMask};
pub use metric::Metric;
pub use model::load_model;
pub use spec::RunSpec;
pub use task::{Example, TaskSource};
pub use version::{SOURCES, VERSION};
pub use visible::{file_name_problem, is_hidden, visible};
