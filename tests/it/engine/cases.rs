//! Models and granularities that the engine is tested on.

use std::collections::BTreeMap;

use secateur::engine::{Ablation, AblationValues, ModelEvaluator, Transformer};
use secateur::events::Silent;
use secateur::graph::{
    ComputationGraph, Granularity, Heads, KeyValue, NeuronNodes, PositionEmbedding,
};
use secateur::metric::Metric;
use secateur::model::{Activation, ModelConfig, Weights};
use secateur::task::Example;

use crate::oracle::{self, gpt2, llama};
use crate::shapes::{attention_only, compiled, local, post_norms};

pub(crate) struct Case {
    pub name: &'static str,
    pub config: ModelConfig,
    pub granularity: Granularity,
    pub neurons: NeuronNodes,
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, config, granularity, neurons| Case {
        name,
        config,
        granularity,
        neurons,
    };
    let default = Granularity::default;
    let split: NeuronNodes = BTreeMap::from([(1, vec![0, 7, 19]), (2, (0..20).collect())]);
    vec![
        case("gpt2", gpt2(false), default(), BTreeMap::new()),
        case(
            "gpt2, exact gelu",
            ModelConfig {
                activation: Activation::Gelu,
                ..gpt2(false)
            },
            default(),
            BTreeMap::new(),
        ),
        case("parallel blocks", gpt2(true), default(), BTreeMap::new()),
        case("llama, group", llama(), default(), BTreeMap::new()),
        case(
            "llama, per head",
            llama(),
            Granularity {
                kv: KeyValue::PerHead,
                ..default()
            },
            BTreeMap::new(),
        ),
        case(
            "whole heads",
            llama(),
            Granularity {
                heads: Heads::Whole,
                ..default()
            },
            BTreeMap::new(),
        ),
        case("neurons", gpt2(false), default(), split.clone()),
        case("neurons, gated", llama(), default(), split),
        case(
            "position writer",
            gpt2(false),
            Granularity {
                position_embedding: PositionEmbedding::Writer,
                ..default()
            },
            BTreeMap::new(),
        ),
        case(
            "attention only",
            attention_only(),
            default(),
            BTreeMap::new(),
        ),
        case(
            "compiled, bidirectional",
            compiled(),
            default(),
            BTreeMap::new(),
        ),
        case("local and capped", local(), default(), BTreeMap::new()),
        case("post-norms", post_norms(), default(), BTreeMap::new()),
        case(
            "post-norms, per head",
            post_norms(),
            Granularity {
                kv: KeyValue::PerHead,
                ..default()
            },
            BTreeMap::new(),
        ),
        case(
            "post-norms with biases",
            ModelConfig {
                post_norms: true,
                ..gpt2(false)
            },
            default(),
            BTreeMap::new(),
        ),
    ]
}

pub(crate) struct Setup {
    pub weights: Weights<f64>,
    pub graph: ComputationGraph,
    pub examples: Vec<Example>,
}

pub(crate) fn setup(case: &Case, examples: usize) -> Setup {
    Setup {
        weights: oracle::random_weights(&case.config, 7),
        graph: ComputationGraph::new(&case.config, &case.granularity, &case.neurons)
            .expect("a graph"),
        examples: oracle::random_examples(&case.config, examples, 11),
    }
}

pub(crate) fn with_evaluator<R>(
    setup: &Setup,
    metric: Metric,
    ablation: Ablation,
    work: impl FnOnce(&mut ModelEvaluator<'_, f64>) -> R,
) -> R {
    let transformer = Transformer::new(&setup.weights, &setup.graph);
    let ablated =
        AblationValues::new(&transformer, &setup.examples, ablation, &Silent).expect("values");
    let mut evaluator =
        ModelEvaluator::new(&transformer, &setup.examples, metric, ablation, &ablated)
            .expect("an evaluator");
    work(&mut evaluator)
}

pub(crate) fn assert_close(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= tolerance * wanted.abs().max(1.0),
            "{what}: entry {index} is {found}, the twin says {wanted}"
        );
    }
}
