//! On a small model of every family: scores, ACDC and faithfulness against the plain twin, in double precision.
//!
//! Prints the largest error of each kind; logits against transformers are in `models::families`.

use std::path::Path;

use secateur::ComputationGraph;
use secateur::discover::Acdc;
use secateur::engine::{Ablation, AblationValues, Evaluator, ModelEvaluator, Transformer, mean};
use secateur::events::Silent;
use secateur::graph::{EdgeMask, Granularity};
use secateur::metric::Metric;
use secateur::model::{Weights, load_model};
use secateur::score::{EapIg, Exact};
use secateur::task::Example;

use crate::acdc::plain_edges;
use crate::engine::shifted_slope;
use crate::oracle;
use crate::synthetic::{graph_of, without};
use crate::twin::Twin;

const STEP: f64 = 1e-4;

struct Family {
    weights: Weights<f64>,
    graph: ComputationGraph,
    examples: Vec<Example>,
}

/// Largest errors, each as a share of the largest number of its kind.
#[derive(Debug, Default)]
struct Errors {
    eap: f64,
    eap_ig: f64,
    exact: f64,
    acdc: f64,
    circuits: f64,
}

fn family(name: &str) -> Family {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/families")
        .join(name);
    let model = load_model(".", &folder).expect("the model");
    let graph = graph_of(model.config(), &Granularity::default());
    Family {
        examples: oracle::random_examples(model.config(), 2, 31),
        weights: model.weights.cast(),
        graph,
    }
}

fn error(found: &[f64], wanted: &[f64]) -> f64 {
    let largest = wanted.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let pairs = found.iter().zip(wanted);
    pairs.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / largest
}

impl Family {
    fn with<R>(
        &self,
        ablation: Ablation,
        work: impl FnOnce(&mut ModelEvaluator<'_, f64>, &Twin<'_>) -> R,
    ) -> R {
        let metric = Metric::LogitDiff;
        let transformer = Transformer::new(&self.weights, &self.graph);
        let values = AblationValues::new(&transformer, &self.examples, ablation, &Silent);
        let values = values.expect("values");
        let mut evaluator =
            ModelEvaluator::new(&transformer, &self.examples, metric, ablation, &values)
                .expect("an evaluator");
        let twin = Twin::new(&self.weights, &self.graph, &self.examples, metric, ablation);
        work(&mut evaluator, &twin)
    }

    fn errors(&self) -> Errors {
        let graph = &self.graph;
        let some: Vec<usize> = (0..graph.edge_count())
            .step_by(graph.edge_count() / 17 + 1)
            .collect();
        let of = |scores: &[f64]| some.iter().map(|&edge| scores[edge]).collect::<Vec<f64>>();
        let full = EdgeMask::full(graph);
        let mut errors = Errors::default();
        self.with(Ablation::Patch, |evaluator, twin| {
            let eap = evaluator.attribution(&[1.0]).expect("scores");
            let slopes: Vec<f64> = some
                .iter()
                .map(|&edge| {
                    let at = |keep: f64| {
                        let mut kept = vec![1.0; graph.edge_count()];
                        kept[edge] = keep;
                        mean(&twin.values(&kept))
                    };
                    (at(1.0 + STEP) - at(1.0 - STEP)) / (2.0 * STEP)
                })
                .collect();
            errors.eap = error(&of(&eap), &slopes);
            let method = EapIg { steps: 3 };
            let found = method.score(evaluator).expect("scores");
            let slopes: Vec<f64> = some
                .iter()
                .map(|&edge| {
                    let mut slopes = Vec::new();
                    for point in method.points() {
                        for index in 0..self.examples.len() {
                            let parts = (&self.weights, graph, &self.examples[..]);
                            let metric = Metric::LogitDiff;
                            slopes.push(shifted_slope(parts, metric, index, edge, point, STEP));
                        }
                    }
                    slopes.iter().sum::<f64>() / slopes.len() as f64
                })
                .collect();
            errors.eap_ig = error(&of(&found), &slopes);
            let exact = Exact::default().score(evaluator, &Silent).expect("scores");
            let base = twin.mean(&full);
            let wanted: Vec<f64> = some
                .iter()
                .map(|&edge| base - twin.mean(&without(graph, &full, edge)))
                .collect();
            errors.exact = error(&of(&exact), &wanted);
            let largest = wanted.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            let tau = largest / 20.0;
            let found = Acdc::new(tau)
                .edges(evaluator, &full, &Silent)
                .expect("a result");
            let plain = plain_edges(graph, &full, tau, |mask| twin.mean(mask));
            assert_eq!(found.kept, plain.kept);
            assert!(!found.kept.is_empty() && found.kept.len() < graph.edge_count());
            let changes = |decisions: &[secateur::discover::Decision]| -> Vec<f64> {
                decisions.iter().map(|decision| decision.change).collect()
            };
            errors.acdc = error(&changes(&found.decisions), &changes(&plain.decisions));
        });
        for ablation in [Ablation::Patch, Ablation::Zero, Ablation::MeanPositional] {
            self.with(ablation, |evaluator, twin| {
                let masks: Vec<EdgeMask> = (1..10)
                    .map(|share| oracle::random_mask(graph, share as f64 / 10.0, share))
                    .collect();
                let found = evaluator.measure(&masks).expect("values").concat();
                let wanted: Vec<f64> = masks.iter().flat_map(|mask| twin.circuit(mask)).collect();
                errors.circuits = errors.circuits.max(error(&found, &wanted));
            });
        }
        errors
    }
}

#[test]
fn scores_searches_and_circuits_equal_the_plain_twin() {
    for name in [
        "attention-only",
        "gpt2",
        "gpt_neox",
        "gpt_neox-sequential",
        "llama-linear",
        "llama-3",
        "smollm",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma2",
        "gemma3_text",
        "phi3",
        "tracr-reverse",
    ] {
        let errors = family(name).errors();
        println!(
            "{name}: EAP {:.1e}, EAP-IG {:.1e}, exact {:.1e}, ACDC {:.1e}, circuits {:.1e}",
            errors.eap, errors.eap_ig, errors.exact, errors.acdc, errors.circuits
        );
        // Slopes are finite differences.
        assert!(
            errors.eap < 1e-5 && errors.eap_ig < 1e-5,
            "{name}: {errors:?}"
        );
        let worst = errors.exact.max(errors.acdc).max(errors.circuits);
        assert!(worst < 1e-9, "{name}: {errors:?}");
    }
}
