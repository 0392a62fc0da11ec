//! Jobs give circuits and the random ones beside them the same rule about parts on no path.

use std::path::Path;

use secateur::discover::{Search, discover};
use secateur::engine::{AblationValues, ModelEvaluator, Transformer};
use secateur::evaluate::{EvaluationPlan, evaluate};
use secateur::events::Silent;
use secateur::graph::{Circuit, ComputationGraph, Dangling, EdgeMask, NeuronNodes};
use secateur::model::{LoadedModel, PrependBos, load_model};
use secateur::run::find_circuit;
use secateur::spec::{RunSpec, Spec, read_specs};
use secateur::task::{Dataset, LoadRequest, Prompts};

use Dangling::{NoPathEitherWay, NoPathToLogits};

fn spec(keys: &str) -> RunSpec {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "RunSpec(format: 1, name: \"a\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 16), metric: LogitDiff, {keys}, \
         evaluate: (curve: false, random_baselines: 6, bootstrap: 0))"
    );
    let file = folder.path().join("spec.ron");
    fs_err::write(&file, text).expect("a spec");
    let mut set = read_specs(&[file]);
    assert!(set.errors.is_empty(), "{:?}", set.errors);
    match set.specs.remove(0).spec {
        Spec::Circuit(spec) => *spec,
        Spec::Analysis(_) => panic!("not a circuit's spec"),
    }
}

fn dataset(spec: &RunSpec, model: &LoadedModel) -> Dataset {
    let request = LoadRequest {
        prompts: Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Auto,
        base: Path::new("."),
        observer: &Silent,
    };
    spec.task.load(&request).expect("examples")
}

/// The circuit of a spec and the faithfulness of random circuits of as many edges as another has, by some rule.
fn by_rule(
    spec: &RunSpec,
    model: &LoadedModel,
    kept: &EdgeMask,
    rule: Dangling,
) -> (EdgeMask, Vec<f64>) {
    let graph = ComputationGraph::new(model.config(), &spec.granularity, &NeuronNodes::new());
    let graph = graph.expect("a graph");
    let transformer = Transformer::new(&model.weights, &graph);
    let (discovery, held_out) = dataset(spec, model).split(spec.evaluate.held_out);
    let values =
        AblationValues::new(&transformer, &discovery, spec.ablation, &Silent).expect("values");
    let evaluator = |examples| {
        ModelEvaluator::new(&transformer, examples, spec.metric, spec.ablation, &values)
            .expect("an evaluator")
    };
    let search = Search {
        method: spec.method.clone(),
        select: spec.select,
        target: spec.target,
        prune: spec.granularity.prune,
        dangling: rule,
    };
    let found = discover(&mut evaluator(&discovery), &search, &Silent).expect("a circuit");
    let plan = EvaluationPlan {
        metric: spec.metric,
        curve: false,
        random_baselines: spec.evaluate.random_baselines,
        bootstrap: 0,
        dangling: rule,
    };
    let circuit = Circuit {
        kept: kept.clone(),
        scores: None,
    };
    let figures = evaluate(&mut evaluator(&held_out), &graph, &circuit, &plan, &Silent);
    let figures = figures.expect("figures");
    (found.kept, figures.random.expect("random circuits").values)
}

#[test]
fn random_and_target_circuits_drop_by_the_rule_of_their_job() {
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("a model");
    let mut tells_apart = false;
    for (keys, rule) in [
        ("ablation: Patch, method: Acdc(tau: 0.05)", NoPathToLogits),
        ("ablation: Mean, method: Acdc(tau: 0.05)", NoPathToLogits),
        (
            "ablation: Mean, method: Eap(), target: (faithfulness: 0.5)",
            NoPathToLogits,
        ),
        (
            "ablation: Zero, method: Eap(), target: (faithfulness: 0.7)",
            NoPathToLogits,
        ),
        (
            "ablation: Patch, method: Eap(), target: (faithfulness: 0.7)",
            NoPathEitherWay,
        ),
        (
            "ablation: Mean, method: Eap(), select: TopN(edges: 40)",
            NoPathEitherWay,
        ),
        (
            "ablation: Patch, method: Eap(), select: TopN(edges: 40)",
            NoPathEitherWay,
        ),
    ] {
        let spec = spec(keys);
        let outcome =
            find_circuit(&spec, &model, &dataset(&spec, &model), &Silent).expect("a circuit");
        let other = match rule {
            NoPathToLogits => NoPathEitherWay,
            NoPathEitherWay => NoPathToLogits,
        };
        let kept = &outcome.circuit.kept;
        let random = outcome
            .evaluation
            .held_out
            .random
            .expect("random circuits")
            .values;
        let (by_own, random_by_own) = by_rule(&spec, &model, kept, rule);
        let (by_other, random_by_other) = by_rule(&spec, &model, kept, other);
        assert_eq!(kept, &by_own, "{keys}");
        assert_eq!(random, random_by_own, "{keys}");
        assert_ne!(random, random_by_other, "{keys}: the rules do not differ");
        tells_apart |= spec.target.is_some() && by_own != by_other;
    }
    assert!(tells_apart, "no circuit of a target shows its rule");
}
