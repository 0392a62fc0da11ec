//! Sparse autoencoders: gradients against finite differences, a toy of superposition with known features, exact resume,
//! and the format that others read.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use secateur::analyze::sae::{
    Dictionary, Progress, Recipe, SaeKind, Superposition, Training, gradient,
};
use secateur::analyze::sae::{LensStamp, sae_lens};
use secateur::events::Silent;

const KINDS: [SaeKind; 5] = [
    SaeKind::Relu { l1: 0.3 },
    SaeKind::TopK { k: 3 },
    SaeKind::BatchTopK { k: 3 },
    SaeKind::JumpRelu {
        l0: 0.1,
        bandwidth: 0.02,
    },
    SaeKind::Gated { l1: 0.3 },
];

fn recipe(kind: SaeKind, features: usize) -> Recipe {
    Recipe {
        kind,
        features,
        tokens: 0,
        batch: 256,
        learning_rate: 3e-3,
        seed: 1,
    }
}

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| 2.0 * rng.random::<f64>() - 1.0)
        .collect()
}

/// A dictionary with nothing at zero.
fn random_dictionary(kind: SaeKind) -> Dictionary<f64> {
    let mut dictionary = Dictionary::random(kind, 6, 10, 4);
    dictionary.encoder = numbers(60, 5);
    dictionary.encoder_bias = numbers(10, 6).iter().map(|it| 0.2 * it).collect();
    dictionary.decoder_bias = numbers(6, 7).iter().map(|it| 0.2 * it).collect();
    if let SaeKind::Gated { .. } = kind {
        dictionary.sparsity = numbers(20, 8).iter().map(|it| 0.2 * it).collect();
    }
    dictionary
}

/// One kind of a dictionary's weights.
type Part = fn(&mut Dictionary<f64>) -> &mut Vec<f64>;

/// The derivative of the loss by every weight that has one. Thresholds of `JumpRelu` have a pseudo-derivative, and the
/// gates' reconstruction does not count for the decoder: these are left out here.
#[test]
fn gradients_are_finite_differences() {
    let rows = numbers(8 * 6, 9);
    for kind in KINDS {
        let dictionary = random_dictionary(kind);
        let (_, found, codes) = gradient(&dictionary, &rows);
        assert!(codes.iter().any(|code| *code > 0.0));
        let loss = |dictionary: &Dictionary<f64>| {
            let (loss, _, _) = gradient(dictionary, &rows);
            let sparsity = match kind {
                // The number of active features has no derivative.
                SaeKind::JumpRelu { .. } => 0.0,
                _ => loss.sparsity,
            };
            loss.reconstruction + sparsity
        };
        let gated = matches!(kind, SaeKind::Gated { .. });
        let parts: [(&str, &[f64], Part); 5] = [
            ("encoder", &found.encoder, |it| &mut it.encoder),
            ("encoder_bias", &found.encoder_bias, |it| {
                &mut it.encoder_bias
            }),
            ("decoder", &found.decoder, |it| &mut it.decoder),
            ("decoder_bias", &found.decoder_bias, |it| {
                &mut it.decoder_bias
            }),
            ("sparsity", &found.sparsity, |it| &mut it.sparsity),
        ];
        for (name, found, weights) in parts {
            let skipped = match name {
                "sparsity" => !gated,
                "decoder" | "decoder_bias" => gated,
                _ => false,
            };
            if skipped {
                continue;
            }
            for (index, found) in found.iter().enumerate() {
                let moved = |by: f64| {
                    let mut moved = dictionary.clone();
                    weights(&mut moved)[index] += by;
                    loss(&moved)
                };
                let step = 1e-6;
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!(
                    (found - slope).abs() < 1e-6 * slope.abs().max(1.0),
                    "{kind:?} {name}[{index}]: {found}, not {slope}"
                );
            }
        }
    }
}

/// What the pseudo-derivative of a threshold is, by the formula of the reference, row by row.
#[test]
fn thresholds_learn_by_the_rectangle_of_the_reference() {
    let rows = numbers(40 * 6, 3);
    let (l0, bandwidth) = (0.1, 0.4);
    let dictionary = random_dictionary(SaeKind::JumpRelu { l0, bandwidth });
    let (_, found, _) = gradient(&dictionary, &rows);
    let codes = dictionary.encode(&rows);
    let outputs = dictionary.decode(&codes);
    let mut some = false;
    for feature in 0..10 {
        let threshold = dictionary.sparsity[feature].exp();
        let mut wanted = 0.0;
        for row in 0..40 {
            let input = &rows[6 * row..6 * row + 6];
            let output = &outputs[6 * row..6 * row + 6];
            let direction = &dictionary.decoder[6 * feature..6 * feature + 6];
            let before: f64 = (0..6)
                .map(|at| {
                    (input[at] - dictionary.decoder_bias[at])
                        * dictionary.encoder[10 * at + feature]
                })
                .sum::<f64>()
                + dictionary.encoder_bias[feature];
            let inside = ((before - threshold) / bandwidth).abs() < 0.5;
            some |= inside;
            let error: f64 = (0..6)
                .map(|at| 2.0 * (output[at] - input[at]) * direction[at])
                .sum();
            let slope = if inside { -1.0 / bandwidth } else { 0.0 };
            wanted += slope * (threshold * error + l0) / 40.0;
        }
        // By the logarithm.
        wanted *= threshold;
        let found = found.sparsity[feature];
        assert!(
            (found - wanted).abs() < 1e-9,
            "{feature}: {found}, not {wanted}"
        );
    }
    assert!(some, "no row is near a threshold");
}

#[test]
fn the_largest_are_kept_and_no_more() {
    let rows = numbers(20 * 6, 2);
    let codes = random_dictionary(SaeKind::TopK { k: 3 }).encode(&rows);
    for row in codes.chunks_exact(10) {
        assert!(row.iter().filter(|code| **code > 0.0).count() <= 3);
    }
    let (_, _, codes) = gradient(&random_dictionary(SaeKind::BatchTopK { k: 3 }), &rows);
    let active = |row: &[f64]| row.iter().filter(|code| **code > 0.0).count();
    assert_eq!(codes.chunks_exact(10).map(active).sum::<usize>(), 60);
    assert!(codes.chunks_exact(10).any(|row| active(row) != 3));
}

const WIDTH: usize = 20;

fn toy(features: usize) -> Superposition {
    Superposition::new(WIDTH, features, 2, 77).expect("a toy")
}

fn trained(kind: SaeKind, toy: &Superposition, rounds: usize) -> Training<f32> {
    let recipe = recipe(kind, 40);
    let progress = Progress {
        rounds,
        steps: rounds * 16,
    };
    let mut training = Training::new(&recipe, WIDTH);
    for round in 0..rounds {
        training.round(&recipe, progress, &toy.rows(4096, round), &mut |_| {});
    }
    training
}

/// Known features in superposition are found by every kind.
#[test]
fn features_in_superposition_are_recovered() {
    // As `secateur superposition` does.
    let toy = Superposition::new(WIDTH, 40, 2, 0).expect("a toy");
    let kinds = [
        SaeKind::Relu { l1: 2.5 },
        SaeKind::TopK { k: 2 },
        SaeKind::BatchTopK { k: 2 },
        SaeKind::JumpRelu {
            l0: 1.0,
            bandwidth: 0.5,
        },
        SaeKind::Gated { l1: 4.0 },
    ];
    let mut table = Vec::new();
    let (mut least, mut most_before) = (1.0_f64, 0.0_f64);
    for kind in kinds {
        let recipe = Recipe {
            seed: 0,
            ..recipe(kind, 40)
        };
        let found = toy.recover(&recipe, 100, &Silent).expect("a dictionary");
        assert!(
            found.found > 0.6 && found.variance_explained > Some(0.7),
            "{found:?}"
        );
        least = least.min(found.mean_max_cosine);
        most_before = most_before.max(found.random);
        table.push(found);
    }
    assert!(least > 0.9 && most_before < 0.7, "{table:#?}");
}

/// A training that goes on from a copy of its state ends with the same bits; another seed with others.
#[test]
fn training_goes_on_from_any_round() {
    let toy = toy(30);
    let kind = SaeKind::TopK { k: 2 };
    let recipe = recipe(kind, 40);
    let progress = Progress {
        rounds: 8,
        steps: 8 * 16,
    };
    let whole = trained(kind, &toy, 8);
    let mut first = Training::new(&recipe, WIDTH);
    for round in 0..5 {
        first.round(&recipe, progress, &toy.rows(4096, round), &mut |_| {});
    }
    let mut second = first.clone();
    drop(first);
    for round in 5..8 {
        second.round(&recipe, progress, &toy.rows(4096, round), &mut |_| {});
    }
    assert_eq!(second, whole);
    let mut other = recipe;
    other.seed = 2;
    assert_ne!(
        Training::<f32>::new(&other, WIDTH).dictionary,
        Training::new(&recipe, WIDTH).dictionary
    );
}

/// Decoder rows keep norm one, and inputs a mean norm of the square root of their width.
#[test]
fn decoder_rows_keep_norm_one() {
    let toy = toy(30);
    for kind in KINDS {
        let training = trained(kind, &toy, 3);
        for row in training.dictionary.decoder.chunks_exact(WIDTH) {
            let norm = row.iter().map(|it| it * it).sum::<f32>().sqrt();
            assert!((norm - 1.0).abs() < 1e-5, "{kind:?}: {norm}");
        }
        let rows = training.dictionary.scaled(&toy.rows(4096, 0));
        let norms = rows.chunks_exact(WIDTH);
        let norms = norms.map(|row| f64::from(row.iter().map(|it| it * it).sum::<f32>().sqrt()));
        let mean = norms.sum::<f64>() / 4096.0;
        assert!((mean - (WIDTH as f64).sqrt()).abs() < 1e-3, "{mean}");
    }
}

/// The files that other programs read compute the same, by the formulas of `SAELens`, row by row.
#[test]
fn exported_weights_compute_the_same() {
    let toy = toy(30);
    let rows = toy.rows(50, 9);
    for kind in KINDS {
        let dictionary = trained(kind, &toy, 2).dictionary;
        let stamp = LensStamp {
            skip_first: 1,
            model: "toy",
            hook: "blocks.0.hook_resid_post",
            layer: 0,
            context: 8,
            prepend_bos: false,
        };
        let [config, weights] = sae_lens(&dictionary, &stamp).expect("files");
        let config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
        assert_eq!(config["d_in"], WIDTH);
        let tensors = SafeTensors::deserialize(&weights).expect("tensors");
        let tensor = |name: &str| -> Vec<f64> {
            let data = tensors.tensor(name).expect("a tensor").data();
            let numbers = data.chunks_exact(4);
            numbers
                .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().expect("four bytes"))))
                .collect()
        };
        let (encoder, decoder, centre) = (tensor("W_enc"), tensor("W_dec"), tensor("b_dec"));
        let architecture = config["architecture"].as_str().expect("a name");
        let found = dictionary.reconstruct(&rows);
        for (row, found) in rows.chunks_exact(WIDTH).zip(found.chunks_exact(WIDTH)) {
            let z: Vec<f64> = (0..40)
                .map(|feature| {
                    (0..WIDTH)
                        .map(|at| (f64::from(row[at]) - centre[at]) * encoder[at * 40 + feature])
                        .sum()
                })
                .collect();
            let relu = |bias: &[f64]| -> Vec<f64> {
                z.iter()
                    .zip(bias)
                    .map(|(z, bias)| (z + bias).max(0.0))
                    .collect()
            };
            let codes: Vec<f64> = match architecture {
                "standard" => relu(&tensor("b_enc")),
                "topk" => {
                    let codes = relu(&tensor("b_enc"));
                    let k = config["k"].as_u64().expect("k") as usize;
                    let rank = |code: f64| codes.iter().filter(|other| **other > code).count();
                    codes
                        .iter()
                        .map(|&code| if rank(code) < k { code } else { 0.0 })
                        .collect()
                }
                "jumprelu" => {
                    let codes = relu(&tensor("b_enc")).into_iter().zip(tensor("threshold"));
                    codes
                        .map(|(code, least)| if code > least { code } else { 0.0 })
                        .collect()
                }
                "gated" => {
                    let (gate, scale, bias) = (tensor("b_gate"), tensor("r_mag"), tensor("b_mag"));
                    (0..40)
                        .map(|at| {
                            let magnitude = (z[at] * scale[at].exp() + bias[at]).max(0.0);
                            if z[at] + gate[at] > 0.0 {
                                magnitude
                            } else {
                                0.0
                            }
                        })
                        .collect()
                }
                other => panic!("{other}"),
            };
            for (at, found) in found.iter().enumerate() {
                let wanted: f64 = (0..40)
                    .map(|feature| codes[feature] * decoder[feature * WIDTH + at])
                    .sum();
                let wanted = wanted + centre[at];
                assert!(
                    (f64::from(*found) - wanted).abs() < 1e-4,
                    "{kind:?}: {found}, not {wanted}"
                );
            }
        }
    }
}
