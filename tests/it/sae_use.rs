//! Dictionaries in use: features changed with the error kept, against whole runs that decompose what they change; gradients
//! against finite differences; results that do not depend on how work is grouped.

use secateur::analyze::AnyAnalysis;
use secateur::analyze::sae::{
    Corpus, Dictionary, EffectsReport, FeatureChange, FeatureEffects, FeatureTask, Recipe, Rows,
    Sae, SaeKind, TextRows, decompose, feature_effects, measure,
};
use secateur::engine::{
    AddAt, Continuation, Representation, Resumable, Rewriting, Steering, Transformer, mean,
};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Granularity, NeuronNodes};
use secateur::metric::Metric;
use secateur::model::{ModelConfig, Real};
use secateur::spec::{AnalysisSpec, Spec};
use secateur::task::Example;

use crate::oracle::{self, gpt2, llama};

const METRIC: Metric = Metric::LogitDiff;
const PLACES: [Representation; 3] = [
    Representation::Stream,
    Representation::Mlp,
    Representation::Heads,
];

fn configs() -> [ModelConfig; 3] {
    [gpt2(false), gpt2(true), llama()]
}

fn graph_of(config: &ModelConfig) -> ComputationGraph {
    ComputationGraph::new(config, &Granularity::default(), &NeuronNodes::new()).expect("a graph")
}

/// Features that are active now and then on what a place holds.
fn dictionary(
    transformer: &Transformer<'_, f64>,
    kind: SaeKind,
    of: Representation,
) -> Dictionary<f64> {
    let width = transformer.width_of(of);
    let mut dictionary = Dictionary::random(kind, width, 24, 9);
    dictionary.scale = 0.75;
    for (at, bias) in dictionary.decoder_bias.iter_mut().enumerate() {
        *bias = 0.1 * (at as f64).cos();
    }
    // Decoder rows of other norms than one, as loaded dictionaries have.
    for (at, value) in dictionary.decoder.iter_mut().enumerate() {
        *value *= 0.5 + 0.1 * (at / width) as f64;
    }
    dictionary
}

fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(
            (found - wanted).abs() < 1e-9 * wanted.abs().max(1.0),
            "{what}: {found}, not {wanted}"
        );
    }
}

/// What is taken and put back unchanged gives the very bits of the plain run, in both precisions.
#[test]
fn what_is_put_back_unchanged_changes_no_bit() {
    for config in configs() {
        let (double, graph) = (oracle::random_weights(&config, 3), graph_of(&config));
        let examples = oracle::random_examples(&config, 6, 4);
        unchanged(&Transformer::new(&double.cast::<f32>(), &graph), &examples);
        unchanged(&Transformer::new(&double, &graph), &examples);
    }
}

fn unchanged<T: Real>(transformer: &Transformer<'_, T>, examples: &[Example]) {
    let plain = transformer
        .clean_metric(examples, METRIC, &Silent)
        .expect("metrics");
    for at in [AddAt::Every, AddAt::Scored] {
        let ready = Resumable::new(transformer, examples, at).expect("a run");
        assert_eq!(ready.metric(METRIC).expect("metrics"), plain);
        for layer in 0..transformer.heads().n_layers {
            for of in PLACES {
                let (rows, _) = ready.representation(layer, of);
                let same = [rows.to_vec(), rows.to_vec()];
                let found = ready.replaced(METRIC, (layer, of), &same);
                for found in found.expect("metrics") {
                    assert_eq!(found, plain, "layer {layer}, {of:?}, {at:?}");
                }
            }
        }
    }
}

/// All features kept and the error added: the same as the plain run, up to the rounding of a sum in double precision.
#[test]
fn features_and_error_are_the_model() {
    for config in configs() {
        let (weights, graph) = (oracle::random_weights(&config, 5), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 4, 4);
        let plain = transformer
            .clean_metric(&examples, METRIC, &Silent)
            .expect("metrics");
        for of in PLACES {
            let dictionary = dictionary(&transformer, SaeKind::TopK { k: 5 }, of);
            let steering = whole(&dictionary, (1, of), (AddAt::Every, 0), |_, codes| {
                codes.to_vec()
            });
            let found = transformer.steered_metric(&examples, METRIC, &steering, &Silent);
            assert_close(&found.expect("metrics"), &plain, &format!("{of:?}"));
        }
    }
}

/// A run in which a representation is decomposed into features and error, the features changed row by row, and put
/// together again: the slow form of a change.
fn whole(
    dictionary: &Dictionary<f64>,
    site: (usize, Representation),
    (at, skip_first): (AddAt, usize),
    change: impl Fn(usize, &[f64]) -> Vec<f64> + Send + Sync + 'static,
) -> Steering<f64> {
    let dictionary = dictionary.clone();
    Steering::rewriting(Rewriting::new(site, move |rows, places| {
        let (width, features) = (dictionary.width, dictionary.features);
        for row in 0..rows.len() / width {
            let read = at == AddAt::Every || places.reads.contains(&row);
            if !read || places.positions[row] < skip_first {
                continue;
            }
            let input = rows[row * width..(row + 1) * width].to_vec();
            let codes = dictionary.encode(&dictionary.scaled(&input));
            let output = dictionary.outputs(&codes);
            let changed = change(row, &codes);
            assert_eq!(changed.len(), features);
            let after = dictionary.outputs(&changed);
            for at in 0..width {
                rows[row * width + at] = after[at] + (input[at] - output[at]);
            }
        }
    }))
}

const CHANGES: [FeatureChange; 4] = [
    FeatureChange::Zero,
    FeatureChange::Mean,
    FeatureChange::Scale(2.5),
    FeatureChange::Add(-1.5),
];

fn report(
    transformer: &Transformer<'_, f64>,
    (dictionary, site): (&Dictionary<f64>, (usize, Representation)),
    examples: [&[Example]; 2],
    (question, skip_first): (&FeatureEffects, usize),
) -> EffectsReport {
    let task = FeatureTask {
        discovery: examples[0],
        held_out: examples[1],
        metric: METRIC,
        bootstrap: 20,
        skip_first,
        random_baselines: 6,
        seed: 3,
        tokenizer: None,
        stop: None,
    };
    let placed = (dictionary, site);
    feature_effects(transformer, placed, &task, question, &Silent).expect("a report")
}

fn asked(at: AddAt, changes: &[FeatureChange]) -> FeatureEffects {
    FeatureEffects {
        top: 5,
        changes: changes.to_vec(),
        at,
        written: 0,
        ..FeatureEffects::default()
    }
}

/// Effects equal those of whole runs with everything decomposed; means, densities and activations those of a plain count.
#[test]
fn effects_are_those_of_whole_runs() {
    let places = [(AddAt::Every, 0), (AddAt::Scored, 1), (AddAt::Every, 1)];
    for (config, (at, skip)) in configs().into_iter().zip(places) {
        let (weights, graph) = (oracle::random_weights(&config, 7), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 9, 4);
        let (discovery, held_out) = examples.split_at(5);
        for (layer, of) in [
            (0, PLACES[0]),
            (1, PLACES[1]),
            (1, PLACES[2]),
            (config.n_layers - 1, PLACES[0]),
        ] {
            let kind = SaeKind::TopK { k: 4 };
            let dictionary = dictionary(&transformer, kind, of);
            let placed = (&dictionary, (layer, of));
            let report = report(
                &transformer,
                placed,
                [discovery, held_out],
                (&asked(at, &CHANGES), skip),
            );
            assert_eq!(report.features.len(), 5);
            let mut codes = Vec::new();
            for example in discovery {
                for prompt in [&example.clean, &example.corrupt] {
                    let rows = transformer
                        .representation(&[prompt], layer, of)
                        .expect("rows");
                    let rows = &rows[skip * dictionary.width..];
                    codes.extend(dictionary.encode(&dictionary.scaled(rows)));
                }
            }
            for effect in report.features.iter().chain(&report.random) {
                let feature = effect.feature;
                let own: Vec<f64> = codes.chunks_exact(24).map(|row| row[feature]).collect();
                let active: Vec<f64> = own.iter().copied().filter(|code| *code > 0.0).collect();
                let share = active.len() as f64 / own.len() as f64;
                assert_close(&[effect.density], &[share], "density");
                let unit = dictionary.units()[feature];
                assert_close(&[effect.mean], &[mean(&active) * unit], "mean activation");
                let usual = (mean(&own), mean(&active));
                for (change, found) in CHANGES.iter().zip(&effect.effects) {
                    let change = *change;
                    let steering = whole(&dictionary, (layer, of), (at, skip), move |_, codes| {
                        let mut codes = codes.to_vec();
                        codes[feature] = match change {
                            FeatureChange::Zero => 0.0,
                            FeatureChange::Mean => usual.0,
                            FeatureChange::Scale(by) => by * codes[feature],
                            FeatureChange::Add(by) => codes[feature] + by * usual.1,
                        };
                        codes
                    });
                    for (examples, found) in [
                        (discovery, found.discovery),
                        (held_out, found.held_out.mean),
                    ] {
                        let run = |steering: &Steering<f64>| {
                            let values =
                                transformer.steered_metric(examples, METRIC, steering, &Silent);
                            mean(&values.expect("metrics"))
                        };
                        let wanted = run(&steering) - run(&Steering::none());
                        let what =
                            format!("layer {layer}, {of:?}, {at:?}, feature {feature}, {change:?}");
                        assert_close(&[found], &[wanted], &what);
                    }
                }
            }
        }
    }
}

/// The gradient at every place is that of finite differences, and attribution the slope of scaling a feature.
#[test]
fn gradients_at_representations_are_finite_differences() {
    let config = llama();
    for config in [gpt2(true), config] {
        let (weights, graph) = (oracle::random_weights(&config, 7), graph_of(&config));
        let transformer = Transformer::new(&weights, &graph);
        let examples = oracle::random_examples(&config, 3, 4);
        let ready = Resumable::new(&transformer, &examples, AddAt::Every).expect("a run");
        for layer in 0..config.n_layers {
            for of in PLACES {
                let site = (layer, of);
                let found = transformer
                    .sensitivity(&examples, METRIC, site)
                    .expect("a gradient");
                let (rows, places) = ready.representation(layer, of);
                assert_eq!((&found.values[..], &found.places), (rows, &places));
                let width = transformer.width_of(of);
                let step = 1e-5;
                for at in (0..rows.len()).step_by(7) {
                    let moved = |by: f64| {
                        let mut rows = rows.to_vec();
                        rows[at] += by;
                        let values = ready.replaced(METRIC, site, &[rows]).expect("metrics");
                        values[0].iter().sum::<f64>()
                    };
                    let slope = (moved(step) - moved(-step)) / (2.0 * step);
                    let gradient = found.gradient[at];
                    assert!(
                        (gradient - slope).abs() < 1e-6 * slope.abs().max(1.0),
                        "{site:?}, row {}: {gradient}, not {slope}",
                        at / width
                    );
                }
            }
        }
        let dictionary = dictionary(&transformer, SaeKind::TopK { k: 4 }, PLACES[0]);
        for at in [AddAt::Every, AddAt::Scored] {
            let step = 1e-5;
            let changes = [1.0 - step, 1.0 + step].map(FeatureChange::Scale);
            let placed = (&dictionary, (1, PLACES[0]));
            let report = report(
                &transformer,
                placed,
                [&examples, &examples],
                (&asked(at, &changes), 1),
            );
            let sizes: Vec<f64> = report
                .features
                .iter()
                .map(|it| it.attribution.abs())
                .collect();
            assert!(sizes.is_sorted_by(|one, next| one >= next));
            for feature in report.features.iter().chain(&report.random) {
                let [low, high] = [0, 1].map(|change| feature.effects[change].discovery);
                let slope = (high - low) / (2.0 * step);
                assert!(
                    (feature.attribution + slope).abs() < 1e-6,
                    "{at:?}: {} is not minus {slope}",
                    feature.attribution
                );
            }
        }
    }
}

/// Random features are active, none of those chosen, and each only once; a change that is none has no effect at all.
#[test]
fn random_features_stand_beside() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 7), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 8, 4);
    let dictionary = dictionary(&transformer, SaeKind::TopK { k: 6 }, PLACES[0]);
    let placed = (&dictionary, (1, PLACES[0]));
    let question = asked(AddAt::Every, &[FeatureChange::Scale(1.0)]);
    let report = report(&transformer, placed, [&examples, &examples], (&question, 1));
    assert_eq!(report.random.len(), 6);
    let mut all: Vec<usize> = report
        .features
        .iter()
        .chain(&report.random)
        .map(|it| it.feature)
        .collect();
    all.sort_unstable();
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    for feature in report.features.iter().chain(&report.random) {
        assert!(feature.density > 0.0);
        assert_eq!(feature.effects[0].discovery.to_bits(), 0);
        assert_eq!(feature.effects[0].held_out.mean.to_bits(), 0);
    }
    assert_eq!(report.mean_size, [vec![0.0], vec![0.0]]);
}

/// A dictionary whose one active feature is all that the metric reads has all of the effect.
#[test]
fn a_planted_feature_has_the_effect() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 7), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let examples = oracle::random_examples(&config, 12, 4).into_iter();
    let examples: Vec<Example> = examples.filter(|it| it.at.len() == 1).take(1).collect();
    let last = config.n_layers - 1;
    let found = transformer
        .sensitivity(&examples, METRIC, (last, PLACES[0]))
        .expect("a gradient");
    let width = config.d_model;
    // Feature 17 writes along the gradient, the others at right angles to it.
    let planted: Vec<f64> = found.gradient[..width].to_vec();
    let along = |row: &[f64]| row.iter().zip(&planted).map(|(a, b)| a * b).sum::<f64>();
    let size = along(&planted);
    let mut dictionary = dictionary(&transformer, SaeKind::Relu { l1: 0.0 }, PLACES[0]);
    dictionary.encoder_bias.fill(1.0);
    for (feature, row) in dictionary.decoder.chunks_exact_mut(width).enumerate() {
        let share = along(row) / size;
        for (value, planted) in row.iter_mut().zip(&planted) {
            *value = if feature == 17 {
                *planted
            } else {
                *value - share * planted
            };
        }
    }
    let placed = (&dictionary, (last, PLACES[0]));
    let question = asked(AddAt::Scored, &[FeatureChange::Zero]);
    let report = report(&transformer, placed, [&examples, &examples], (&question, 1));
    assert_eq!(report.features[0].feature, 17);
    for other in report.features[1..].iter().chain(&report.random) {
        assert!(other.attribution.abs() < 1e-9, "{}", other.attribution);
    }
}

/// Text with a feature scaled to what it is anyway is the text as it is; a strong direction changes it, as a whole run of
/// every position says.
#[test]
fn text_is_written_with_features() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 11), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let dictionary = dictionary(&transformer, SaeKind::TopK { k: 4 }, PLACES[2]);
    let limit = Continuation {
        tokens: 6,
        stop: None,
        seed: None,
        stream: 0,
    };
    let write = |prompts: &[&[u32]], steering: &Steering<f64>| {
        transformer
            .generate(prompts, limit, steering, &Silent)
            .expect("text")
    };
    let prompts: [&[u32]; 3] = [&[1, 5, 9], &[2], &[7, 7, 3, 2]];
    let steering = whole(
        &dictionary,
        (1, PLACES[2]),
        (AddAt::Every, 1),
        |_, codes| codes.iter().map(|code| 8.0 * code + 1.0).collect(),
    );
    let (plain, steered) = (
        write(&prompts, &Steering::none()),
        write(&prompts, &steering),
    );
    assert_ne!(plain, steered);
    // Token by token without a cache.
    for (prompt, steered) in prompts.iter().zip(&steered) {
        let mut tokens = prompt.to_vec();
        for wanted in steered {
            let next = write(&[&tokens], &steering)[0][0];
            assert_eq!(next, *wanted);
            tokens.push(next);
        }
    }
    let question = FeatureEffects {
        written: 2,
        samples: 3,
        tokens: 4,
        strength: 0.0,
        ..asked(AddAt::Every, &[FeatureChange::Zero])
    };
    let examples = oracle::random_examples(&config, 6, 4);
    let report = report(
        &transformer,
        (&dictionary, (1, PLACES[2])),
        [&examples, &examples],
        (&question, 1),
    );
    assert_eq!(report.written.len(), 2);
    for written in &report.written {
        assert_eq!(written.samples.len(), 3);
        for sample in &written.samples {
            assert_eq!(sample.before, sample.after);
        }
    }
}

/// What is reported does not depend on the room that there is, by which contexts and pairs are grouped.
#[test]
fn figures_do_not_depend_on_the_room() {
    let config = llama();
    let (weights, graph) = (oracle::random_weights(&config, 13), graph_of(&config));
    let text: Vec<Vec<u32>> = (0..11)
        .map(|row| (0..9).map(|at| (row * row + 3 * at + 1) % 11).collect())
        .collect();
    let examples = oracle::random_examples(&config, 21, 4);
    let question = Sae {
        load: None,
        layer: None,
        of: None,
        kind: None,
        features: None,
        text: Corpus::Files(Vec::new()),
        tokens: None,
        context: Some(9),
        skip_first: Some(1),
        batch: None,
        learning_rate: None,
        seed: 0,
        described: 24,
        contexts: 3,
        prompts: Vec::new(),
        shown: 3,
        effects: FeatureEffects::default(),
    };
    let results = [None, Some(1), Some(400_000)].map(|room| {
        let transformer = Transformer::new(&weights, &graph).within(room);
        let groups = transformer.groups_beside(&examples, true, 100).count();
        let together = transformer.texts_together(9, 100, 8);
        let dictionary = dictionary(&transformer, SaeKind::TopK { k: 6 }, PLACES[0]);
        let placed = (&dictionary, (1, PLACES[0]));
        let figures =
            measure((&transformer, None), &text, placed, &question, &Silent).expect("figures");
        let mut rows = TextRows {
            transformer: &transformer,
            contexts: &text,
            at: placed.1,
            per_round: 15,
            skip_first: 1,
            observer: &Silent,
        };
        let rows = rows.round(2).expect("rows");
        let asked = asked(AddAt::Every, &CHANGES);
        let effects = report(
            &transformer,
            placed,
            [&examples, &examples[..7]],
            (&asked, 1),
        );
        ((groups, together), (figures, rows, effects))
    });
    let [(all, wanted), others @ ..] = results;
    assert_eq!(all, (2, 8));
    assert_eq!(others[0].0, (21, 1));
    for (_, found) in &others {
        assert!(*found == wanted);
    }
}

/// Prompts are decomposed as a plain look at each token says.
#[test]
fn prompts_are_decomposed_token_by_token() {
    let config = gpt2(false);
    let (weights, graph) = (oracle::random_weights(&config, 5), graph_of(&config));
    let transformer = Transformer::new(&weights, &graph);
    let dictionary = dictionary(&transformer, SaeKind::TopK { k: 5 }, PLACES[1]);
    let placed = (&dictionary, (1, PLACES[1]));
    let prompts = [vec![3, 1, 4, 1], vec![5]];
    let found = decompose((&transformer, None), &prompts, placed, 2, &Silent).expect("features");
    assert_eq!(found[0].prompt, "3 1 4 1");
    for (prompt, found) in prompts.iter().zip(&found) {
        assert_eq!(found.tokens.len(), prompt.len());
        let rows = transformer
            .representation(&[prompt], 1, PLACES[1])
            .expect("rows");
        let size = |row: &[f64]| row.iter().map(|it| it * it).sum::<f64>().sqrt();
        for (row, token) in rows.chunks_exact(dictionary.width).zip(&found.tokens) {
            let codes = dictionary.encode(&dictionary.scaled(row));
            assert_eq!(
                token.active,
                codes.iter().filter(|code| **code > 0.0).count()
            );
            let output = dictionary.reconstruct(row);
            let error: Vec<f64> = row.iter().zip(&output).map(|(a, b)| a - b).collect();
            assert_close(
                &[token.norm, token.error],
                &[size(row), size(&error) / size(row)],
                "norms",
            );
            let mut adds: Vec<f64> = (0..24)
                .map(|feature| {
                    let direction = dictionary.direction(feature);
                    codes[feature] * size(&direction)
                })
                .collect();
            for shown in &token.features {
                assert_close(&[shown.activation], &[adds[shown.feature]], "activation");
            }
            adds.sort_by(|a, b| b.total_cmp(a));
            let shown: Vec<f64> = token.features.iter().map(|it| it.activation).collect();
            assert_close(&shown, &adds[..shown.len()], "the largest");
            assert_eq!(shown.len(), token.active.min(2));
        }
    }
}

/// A recipe is what a spec says, and there is none where a dictionary is loaded.
#[test]
fn what_is_not_named_has_its_default() {
    let extensions = ron::extensions::Extensions::IMPLICIT_SOME
        | ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES;
    let options = ron::Options::default().with_default_extension(extensions);
    let read = |text: &str| options.from_str::<Sae>(text).expect("a question");
    let named =
        read("(layer: 1, features: 8, tokens: 2000, text: Sampled(tokens: 9, seed: 0), seed: 4)");
    let wanted = Recipe {
        kind: SaeKind::TopK { k: 32 },
        features: 8,
        tokens: 2000,
        batch: 1024,
        learning_rate: 1e-3,
        seed: 4,
    };
    assert_eq!(named.recipe(), Some(wanted));
    let text = r#"(format: 1, name: "x", models: ["m"], analysis: Sae(load: "folder", text: Files(["a.txt"])))"#;
    let spec = options.from_str::<AnalysisSpec>(text).expect("a spec");
    let AnyAnalysis::Sae(loaded) = &spec.analysis else {
        panic!("{:?}", spec.analysis);
    };
    assert_eq!(loaded.recipe(), None);
    let files: Vec<String> = Spec::Analysis(Box::new(spec))
        .data_files()
        .iter()
        .map(|it| it.display().to_string())
        .collect();
    assert_eq!(
        files,
        ["a.txt", "folder/cfg.json", "folder/sae_weights.safetensors"]
    );
}
