//! Weights that are widened when they are used are those in memory, to the bit.

use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;
use secateur::graph::Granularity;
use secateur::model::{Weights, load_model, load_model_within};
use secateur::{ComputationGraph, Transformer};

use super::families::fixtures;
use super::files::{Folder, bytes_of, flat, llama_config, llama_tensors};

fn rows(vocabulary: usize) -> Vec<Vec<u32>> {
    let token = |index: usize| (7 * index * index + 3) % vocabulary;
    (1..20)
        .map(|length| {
            (0..length)
                .map(|index| token(index + length) as u32)
                .collect()
        })
        .collect()
}

fn logits(weights: &Weights<f32>) -> Vec<u32> {
    let (config, none) = (&weights.config, std::collections::BTreeMap::new());
    let graph = ComputationGraph::new(config, &Granularity::default(), &none).expect("a graph");
    let logits = Transformer::new(weights, &graph).last_logits(&rows(config.d_vocab));
    logits.into_iter().flatten().map(f32::to_bits).collect()
}

fn compare(reference: &str, base: &Path) {
    let name = base.join(reference);
    let resident = load_model(reference, base).expect("the model").weights;
    let demand = load_model_within(reference, base, Some(0)).expect("the model");
    let demand = demand.weights;
    assert!(!resident.blocks.are_on_demand() && demand.blocks.are_on_demand());
    assert_eq!(logits(&resident), logits(&demand), "{}", name.display());
    let last = demand.config.n_layers - 1;
    for layer in [0, last, 0] {
        let (one, other) = (resident.attention(layer), demand.attention(layer));
        assert_eq!(
            format!("{one:?}"),
            format!("{other:?}"),
            "{}",
            name.display()
        );
        let (one, other) = (resident.mlp(layer), demand.mlp(layer));
        assert_eq!(
            format!("{one:?}"),
            format!("{other:?}"),
            "{}",
            name.display()
        );
    }
    // Blocks on demand stay so in another precision, and a model in memory may become one on demand.
    let wide = demand.cast::<f64>();
    assert!(wide.blocks.are_on_demand() && resident.cast_in::<f64>(true).blocks.are_on_demand());
    for cast in [wide, resident.cast_in::<f64>(true)] {
        assert_eq!(
            logits(&resident),
            logits(&cast.cast::<f32>()),
            "{}",
            name.display()
        );
    }
}

#[test]
fn every_family_is_the_same_on_demand() {
    let mut files: Vec<(PathBuf, &str)> = Vec::new();
    for entry in fs_err::read_dir(fixtures()).expect("fixtures") {
        let folder = entry.expect("a folder").path();
        let lens = fs_err::read_to_string(folder.join("config.json")).expect("a config");
        if lens.contains("act_fn") {
            // Models in TransformerLens's layout are always in memory.
            continue;
        }
        if folder.join("model.gguf").exists() {
            files.push((folder.clone(), "model.gguf"));
        }
        files.push((folder, "."));
    }
    assert!(files.len() > 20, "{}", files.len());
    for (folder, reference) in files {
        compare(reference, &folder);
    }
}

#[test]
fn half_precision_is_the_same_on_demand() {
    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F64] {
        let tensors = llama_tensors();
        let folder = Folder::new(&llama_config(), &tensors);
        folder.write("model.safetensors", &bytes_of(&tensors, dtype));
        compare(".", folder.0.path());
    }
}

/// Single-precision numbers are used where they lie, aligned or not.
#[test]
fn unaligned_files_are_read_the_same() {
    let tensors = llama_tensors();
    let folder = Folder::new(&llama_config(), &tensors);
    let aligned = folder.load().expect("the model").weights;
    // The file is about to change under them.
    let (expected, held) = (flat(&aligned), aligned.held_bytes());
    drop(aligned);
    let bytes = bytes_of(&tensors, Dtype::F32);
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("a length")) as usize;
    for more in 1..4 {
        let mut shifted = ((length + more) as u64).to_le_bytes().to_vec();
        shifted.extend_from_slice(&bytes[8..8 + length]);
        shifted.extend(vec![b' '; more]);
        shifted.extend_from_slice(&bytes[8 + length..]);
        folder.write("model.safetensors", &shifted);
        let unaligned = folder.load().expect("the model").weights;
        assert!(flat(&unaligned) == expected, "{more}");
        assert!(held < unaligned.held_bytes());
    }
}
