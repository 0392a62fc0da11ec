//! Dictionaries in files: what `SAELens` wrote is read as it reads it, what we write it reads as we mean it, and files that
//! cannot be used are refused. The fixtures are made by `scripts/sae_fixtures.py`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use secateur::analyze::sae::{Dictionary, SaeKind, load_dictionary};
use secateur::analyze::sae::{LensStamp, sae_lens};
use secateur::engine::Representation;
use serde_json::{Value, json};

const FIXTURES: [&str; 15] = [
    "batchtopk",
    "batchtopk-for-use",
    "flat",
    "gated",
    "gated-uncentred",
    "jumprelu",
    "secateur-batchtopk",
    "secateur-gated",
    "secateur-jumprelu",
    "secateur-relu",
    "secateur-topk",
    "standard",
    "standard-uncentred",
    "topk",
    "topk-rescaled",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/sae")
        .join(name)
}

fn numbers(file: &Path, tensor: &str) -> Vec<f32> {
    let bytes = fs_err::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor(tensor).unwrap().data().chunks_exact(4);
    data.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

fn assert_close(found: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (found - wanted).abs() < 1e-5 * wanted.abs().max(1.0),
            "{what}[{at}]: {found}, not {wanted}"
        );
    }
}

/// Codes and reconstructions are those of `SAELens`, for all architectures.
#[test]
fn dictionaries_compute_what_sae_lens_does() {
    let folders = fs_err::read_dir(fixture("")).unwrap();
    let mut found: Vec<String> = folders
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, FIXTURES);
    for name in FIXTURES {
        let folder = fixture(name);
        let loaded = load_dictionary(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let golden = |tensor| numbers(&folder.join("golden.safetensors"), tensor);
        let (inputs, codes) = (golden("x"), golden("codes"));
        let dictionary = &loaded.dictionary;
        let active = codes.iter().filter(|code| **code > 0.0).count();
        assert!(active > 10 && active < codes.len(), "{name}");
        let encoded = dictionary.encode(&dictionary.scaled(&inputs));
        assert_close(&encoded, &codes, &format!("{name}, codes"));
        let outputs = dictionary.reconstruct(&inputs);
        assert_close(&outputs, &golden("output"), &format!("{name}, output"));
        assert_eq!(
            (loaded.layer, loaded.of),
            (1, Representation::Stream),
            "{name}"
        );
        assert_eq!(loaded.model.as_deref(), Some("toy"), "{name}");
    }
}

const KINDS: [(&str, SaeKind); 5] = [
    ("relu", SaeKind::Relu { l1: 0.3 }),
    ("topk", SaeKind::TopK { k: 3 }),
    ("batchtopk", SaeKind::BatchTopK { k: 3 }),
    (
        "jumprelu",
        SaeKind::JumpRelu {
            l0: 0.1,
            bandwidth: 0.02,
        },
    ),
    ("gated", SaeKind::Gated { l1: 0.3 }),
];

/// A dictionary with weights that any platform gives.
fn some_dictionary(kind: SaeKind) -> Dictionary<f32> {
    let mut dictionary = Dictionary::random(kind, 6, 10, 4);
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    for part in [&mut dictionary.encoder, &mut dictionary.decoder] {
        for value in part.iter_mut() {
            *value = next();
        }
    }
    for part in [&mut dictionary.encoder_bias, &mut dictionary.decoder_bias] {
        for value in part.iter_mut() {
            *value = 0.25 * next();
        }
    }
    match kind {
        SaeKind::JumpRelu { .. } => dictionary.sparsity.fill(-0.5),
        SaeKind::BatchTopK { .. } => dictionary.sparsity.fill(0.375),
        _ => dictionary
            .sparsity
            .iter_mut()
            .for_each(|value| *value = 0.25 * next()),
    }
    dictionary.scale = 0.5;
    dictionary
}

/// What is saved is what the fixtures hold, for which `SAELens` says what it computes; read back it is the same dictionary.
#[test]
fn what_is_saved_is_what_sae_lens_was_given() {
    let exports = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sae-exports");
    for (name, kind) in KINDS {
        let dictionary = some_dictionary(kind);
        let stamp = LensStamp {
            skip_first: 1,
            model: "toy",
            hook: "blocks.1.hook_resid_post",
            layer: 1,
            context: 8,
            prepend_bos: false,
        };
        let [config, weights] = sae_lens(&dictionary, &stamp).unwrap();
        let folder = exports.join(name);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("cfg.json"), &config).unwrap();
        fs_err::write(folder.join("sae_weights.safetensors"), &weights).unwrap();
        let loaded = load_dictionary(&folder).unwrap().dictionary;
        let inputs: Vec<f32> = (0..60).map(|at| (at as f32 * 0.7).sin()).collect();
        let codes = dictionary.encode(&dictionary.scaled(&inputs));
        assert_close(&loaded.encode(&inputs), &codes, name);
        let outputs = dictionary.reconstruct(&inputs);
        assert_close(&loaded.reconstruct(&inputs), &outputs, name);
    }
    for (name, _) in KINDS {
        for file in ["cfg.json", "sae_weights.safetensors"] {
            let fixture = fixture(&format!("secateur-{name}")).join(file);
            let [saved, given] =
                [exports.join(name).join(file), fixture].map(|path| fs_err::read(path).unwrap());
            assert!(saved == given, "{name}, {file}");
        }
    }
}

/// A folder whose configuration is `config`, with the weights of a fixture.
fn with_config(of: &str, config: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let weights = fs_err::read(fixture(of).join("sae_weights.safetensors")).unwrap();
    fs_err::write(folder.path().join("sae_weights.safetensors"), weights).unwrap();
    fs_err::write(folder.path().join("cfg.json"), config).unwrap();
    folder
}

fn refused(folder: &Path, parts: &[&str]) {
    let error = load_dictionary(folder).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

#[test]
fn what_the_configuration_asks_for_is_done_or_refused() {
    let text = fs_err::read(fixture("topk").join("cfg.json")).unwrap();
    let config: Value = serde_json::from_slice(&text).unwrap();
    let changed = |key: &str, value: Value| {
        let mut config = config.clone();
        config[key] = value;
        with_config("topk", config.to_string().as_bytes())
    };
    for (key, value, part) in [
        (
            "architecture",
            json!("temporal"),
            "architecture \"temporal\" is not supported",
        ),
        (
            "architecture",
            json!("transcoder"),
            "standard, topk, batchtopk, jumprelu and gated",
        ),
        ("activation_fn", json!("tanh-relu"), "\"tanh-relu\""),
        (
            "normalize_activations",
            json!(true),
            "normalize_activations true",
        ),
        ("finetuning_scaling_factor", json!(true), "multiply W_dec"),
        (
            "reshape_activations",
            json!("hook_z"),
            "does not fit the hook",
        ),
        ("k", json!(11), "whole number from 1 to 10"),
        ("k", json!(2.5), "whole number"),
        ("k", Value::Null, "there is no k"),
        ("d_in", json!(7), "has shape [6, 10], expected [7, 10]"),
        ("d_sae", json!(1_u64 << 62), "tensor W_enc has shape"),
        ("d_sae", json!(0), "at least 1"),
        ("d_sae", json!(-1), "not the configuration"),
        ("hook_head_index", json!(3), "single head"),
        ("hook_point_head_index", json!(0), "single head"),
        (
            "hook_name_out",
            json!("blocks.1.hook_mlp_out"),
            "transcoders",
        ),
        ("seqpos_slice", json!([-2, null]), "seqpos_slice"),
        ("seqpos_slice", json!("1:"), "not the configuration"),
    ] {
        refused(changed(key, value).path(), &[part]);
    }
    for (slice, skip_first) in [
        (json!([3, null]), Some(3)),
        (json!([null]), Some(0)),
        (json!(null), None),
    ] {
        let loaded = load_dictionary(changed("seqpos_slice", slice).path()).unwrap();
        assert_eq!(loaded.skip_first, skip_first);
        assert_eq!(loaded.context, Some(8));
    }
    let none = json!({ "hook_name": "blocks.1.hook_resid_post" });
    assert_eq!(
        load_dictionary(changed("metadata", none).path())
            .unwrap()
            .context,
        None
    );
    let hook = |hook: &str| changed("metadata", json!({ "hook_name": hook }));
    for name in [
        "blocks.0.hook_resid_pre",
        "blocks.1.hook_resid_mid",
        "blocks.x.hook_resid_post",
        "hook_embed",
        "",
    ] {
        refused(hook(name).path(), &["blocks.N.hook_resid_post"]);
    }
    refused(changed("metadata", json!({})).path(), &["hook_name"]);
    let loaded = load_dictionary(hook("blocks.2.hook_mlp_out").path()).unwrap();
    assert_eq!((loaded.layer, loaded.of), (2, Representation::Mlp));
    for text in [
        &b"{"[..],
        b"[]",
        b"\xff",
        &vec![b'['; 1 << 16],
        &vec![b' '; 2 << 20],
    ] {
        refused(with_config("topk", text).path(), &["cfg.json"]);
    }
    // Thresholds of another architecture are not there.
    let standard = fs_err::read(fixture("jumprelu").join("cfg.json")).unwrap();
    refused(
        with_config("standard", &standard).path(),
        &["tensor threshold is missing"],
    );
}

/// Numbers of each input cannot be folded into weights, one number for all can.
#[test]
fn what_normalises_inputs_is_refused_with_what_can_be_done() {
    let text = fs_err::read(fixture("topk").join("cfg.json")).unwrap();
    for (way, part) in [
        (
            "layer_norm",
            "\"layer_norm\" is not supported; it takes its own mean from each input and divides by its own deviation, which \
             cannot be folded",
        ),
        (
            "constant_norm_rescale",
            "\"constant_norm_rescale\" is not supported; it divides each input by its own norm, which cannot be folded",
        ),
        (
            "expected_average_only_in",
            "not in the file; fold it into the weights",
        ),
    ] {
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        config["normalize_activations"] = json!(way);
        let folder = with_config("topk", config.to_string().as_bytes());
        refused(folder.path(), &[part]);
    }
}

#[test]
fn broken_weights_are_refused() {
    let config = fs_err::read(fixture("standard").join("cfg.json")).unwrap();
    let folder = with_config("standard", &config);
    let file = folder.path().join("sae_weights.safetensors");
    let bytes = fs_err::read(&file).unwrap();
    fs_err::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    refused(folder.path(), &["not a whole safetensors file"]);
    fs_err::write(&file, b"").unwrap();
    refused(folder.path(), &["sae_weights.safetensors"]);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let with = |name: &str, data: Vec<u8>, shape: &[usize], dtype: Dtype| {
        let mut parts: Vec<_> = tensors
            .iter()
            .filter(|(other, _)| *other != name)
            .map(|(name, view)| {
                (
                    name.to_owned(),
                    view.dtype(),
                    view.shape().to_vec(),
                    view.data().to_vec(),
                )
            })
            .collect();
        parts.push((name.to_owned(), dtype, shape.to_vec(), data));
        let views = parts.iter().map(|(name, dtype, shape, data)| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        fs_err::write(&file, serialize(views, None).unwrap()).unwrap();
    };
    let mut bias = tensors.tensor("b_dec").unwrap().data().to_vec();
    bias[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    with("b_dec", bias, &[6], Dtype::F32);
    refused(folder.path(), &["tensor b_dec", "NaN at element 1"]);
    with("b_dec", vec![0; 6], &[6], Dtype::U8);
    refused(folder.path(), &["elements of type U8"]);
    let two = 2.0_f32.to_le_bytes().repeat(10);
    with("scaling_factor", two, &[10], Dtype::F32);
    refused(folder.path(), &["scaling_factor", "multiply W_dec"]);
    let ones = 1.0_f32.to_le_bytes().repeat(10);
    with("scaling_factor", ones, &[10], Dtype::F32);
    assert!(load_dictionary(folder.path()).is_ok());
    // Finite in the file, not where they are used.
    let large = f32::MAX.to_le_bytes().repeat(6);
    with("b_dec", large, &[6], Dtype::F32);
    let mut uncentred: Value = serde_json::from_slice(&config).unwrap();
    uncentred["apply_b_dec_to_input"] = json!(false);
    fs_err::write(folder.path().join("cfg.json"), uncentred.to_string()).unwrap();
    let found = load_dictionary(folder.path());
    assert!(found.is_err_and(|error| error.to_string().contains("single precision")));
    refused(Path::new("/nowhere"), &["there is no such folder"]);
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["there is no cfg.json"]);
}
