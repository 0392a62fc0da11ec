//! Every family computes what transformers computes: logits and residual streams at every position of right-padded
//! batches, on small random models (`scripts/family_fixtures.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secateur::graph::Granularity;
use secateur::model::{Activation, Positions, load_model};
use secateur::parity::{Golden, Parity, parity};
use secateur::{ComputationGraph, Transformer};
use serde::Deserialize;
use serde_json::{Value, json};

/// Bound in double precision where transformers computes norms and rotary angles in single precision all the same.
const ROUNDED: f64 = 2e-5;

/// Families, and the bound on their largest error in double precision; GPT-NeoX has only its angles rounded.
const FAMILIES: [(&str, f64); 14] = [
    ("attention-only", 1e-12),
    ("attention-only-bare", 1e-12),
    ("gpt2", 1e-12),
    ("gpt_neox", 1e-6),
    ("gpt_neox-sequential", 1e-6),
    ("llama-linear", ROUNDED),
    ("llama-3", ROUNDED),
    ("smollm", ROUNDED),
    ("mistral", ROUNDED),
    ("qwen2", ROUNDED),
    ("qwen3", ROUNDED),
    ("gemma2", ROUNDED),
    ("gemma3_text", ROUNDED),
    ("phi3", ROUNDED),
];

/// Bound on the absolute error in single precision.
const SINGLE: f64 = 1e-4;

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families")
}

pub(super) fn golden(folder: &Path) -> Golden {
    let bytes = fs_err::read(folder.join("golden.safetensors")).expect("the fixture");
    Golden::parse("golden.safetensors", &bytes).expect("a dump")
}

fn worst(parity: &Parity) -> f64 {
    let differences = parity.places.iter().map(|place| place.difference);
    differences.fold(0.0, |most, difference| {
        // NaN stays.
        if difference <= most { most } else { difference }
    })
}

#[test]
fn logits_and_streams_equal_transformers() {
    for (name, bound) in FAMILIES {
        let folder = fixtures().join(name);
        let model = load_model(".", &folder).expect("the model");
        let golden = golden(&folder);
        let lengths: Vec<usize> = golden.rows.iter().map(Vec::len).collect();
        assert_eq!(lengths, [30, 17, 1, 9], "ragged rows");
        let single = parity(&model.weights, &golden, SINGLE).expect("the same shape");
        let double = parity(&model.weights.cast::<f64>(), &golden, bound).expect("the same shape");
        assert!(single.places.len() > model.config().n_layers);
        println!(
            "{name}: f32 {:.1e}, f64 {:.1e}",
            worst(&single),
            worst(&double)
        );
        assert!(worst(&single) <= SINGLE, "{name}: {single:?}");
        assert!(worst(&double) <= bound, "{name}: {double:?}");
    }
}

/// Families that llama.cpp has.
const GGUF: [&str; 11] = [
    "gpt2",
    "gpt_neox",
    "gpt_neox-sequential",
    "llama-linear",
    "llama-3",
    "smollm",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "phi3",
];

/// GGUF files say the same as the folders they were converted from (`scripts/gguf_fixtures.py`), but for what their
/// metadata cannot say.
#[test]
fn gguf_files_equal_the_folders() {
    for name in GGUF {
        let folder = fixtures().join(name);
        let expected = load_model(".", &folder).expect("the folder");
        let mut model = load_model("model.gguf", &folder).expect("the file");
        let (found, wanted) = (&mut model.weights.config, expected.config());
        if name == "qwen2" {
            // No key for windows.
            found.attention.local.clone_from(&wanted.attention.local);
        }
        if name.starts_with("gemma") {
            // The scale of scores is a head's width, whatever query_pre_attn_scalar was.
            assert_eq!(found.attention.scale, Some(1.0 / 10.0_f64.sqrt()));
            found.attention.scale = wanted.attention.scale;
        }
        if name == "gpt_neox-sequential" {
            // No key for the activation function: it is Pythia's.
            assert_eq!(found.activation, Activation::Gelu);
            found.activation = wanted.activation;
        }
        if let (
            Positions::Rotary {
                scaling: Some(found),
                ..
            },
            Positions::Rotary {
                scaling: Some(wanted),
                ..
            },
        ) = (&mut found.positions, &wanted.positions)
        {
            // They are stored in single precision.
            for (found, wanted) in found.factors.iter_mut().zip(&wanted.factors) {
                assert!(
                    (*found - wanted).abs() <= 1e-6 * wanted,
                    "{found}, {wanted}"
                );
                *found = *wanted;
            }
            assert!((found.magnitude - wanted.magnitude).abs() < 1e-6);
            found.magnitude = wanted.magnitude;
        }
        assert_eq!(found, wanted, "{name}");
        let parity = parity(&model.weights, &golden(&folder), SINGLE).expect("the same shape");
        println!("{name}: {:.1e}", worst(&parity));
        assert!(worst(&parity) <= SINGLE, "{name}: {parity:?}");
    }
}

#[derive(Deserialize)]
struct Case {
    ids: Vec<u32>,
    model_output: Vec<Option<Value>>,
}

/// Compiled transformers decode to what the compiler's own model does: without norms, with their own outputs, one of
/// them attending to both sides.
#[test]
fn compiled_models_compute_their_programs() {
    for (name, outputs) in [
        ("tracr-detect_ab", json!([false, true])),
        ("tracr-reverse", json!(["a", "b", "c", "d"])),
    ] {
        let folder = fixtures().join(name);
        let model = load_model(".", &folder).expect("the model");
        let config = model.config();
        assert_eq!(config.d_out(), outputs.as_array().expect("a list").len());
        assert_eq!(config.attention.bidirectional, name == "tracr-reverse");
        let graph = ComputationGraph::new(config, &Granularity::default(), &BTreeMap::new());
        let graph = graph.expect("a graph");
        let weights = model.weights.cast::<f64>();
        let transformer = Transformer::new(&weights, &graph);
        let cases = fs_err::read_to_string(folder.join("cases.jsonl")).expect("the fixture");
        let mut compared = 0;
        for line in cases.lines() {
            let case: Case = serde_json::from_str(line).expect("a case");
            let logits = transformer.residuals(&case.ids).logits;
            let rows = logits.chunks_exact(config.d_out());
            for (position, (logits, wanted)) in rows.zip(&case.model_output).enumerate() {
                let Some(wanted) = wanted else { continue };
                let largest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                let found = &outputs[largest.expect("an output")];
                assert_eq!(found, wanted, "{name}: {:?} at {position}", case.ids);
                compared += 1;
            }
        }
        assert!(compared > 100, "{name}: {compared}");
    }
}
