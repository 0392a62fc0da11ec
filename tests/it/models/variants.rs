//! Variants of configurations: each computes what transformers computes, and warns of what is not read, or is refused
//! (`scripts/config_fixtures.py`). Every key that transformers reads is used, harmless, refused, or named as ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use secateur::graph::Granularity;
use secateur::model::{LoadedModel, load_model, read_header};
use secateur::{ComputationGraph, Error, Transformer};
use serde::Deserialize;
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::families::fixtures;
use super::files::refusal;

/// Bound on the error in single precision, times the largest logit.
const TOLERANCE: f64 = 2e-5;

/// What is changed of a model in `tests/fixtures/families`, and what is expected of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    family: String,
    name: String,
    /// Keys of config.json that are set.
    #[serde(default)]
    set: Map<String, Value>,
    /// Keys of config.json that are removed, before others are set.
    #[serde(default)]
    remove: Vec<String>,
    /// Tensors that are added: a value, and the shape that is filled with it.
    #[serde(default)]
    fill: BTreeMap<String, Vec<f32>>,
    /// Tensors by their new names.
    #[serde(default)]
    rename: BTreeMap<String, String>,
    /// Files that are added.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// What the warnings contain, one after the other.
    #[serde(default)]
    warns: Vec<String>,
    /// What the refusal contains.
    refused: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/configurations")
}

fn read(path: &Path) -> Vec<u8> {
    fs_err::read(path).expect("the fixture")
}

/// A fixture's config.json.
fn configuration(family: &str) -> Map<String, Value> {
    let bytes = read(&fixtures().join(family).join("config.json"));
    serde_json::from_slice(&bytes).expect("an object")
}

/// Writes a model folder with this configuration.
fn written(config: Map<String, Value>, weights: &[u8]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let text = Value::Object(config).to_string();
    fs_err::write(folder.path().join("config.json"), text).expect("written");
    fs_err::write(folder.path().join("model.safetensors"), weights).expect("written");
    folder
}

impl Variant {
    fn written(&self) -> TempDir {
        let mut config = configuration(&self.family);
        for key in &self.remove {
            config.remove(key);
        }
        config.extend(self.set.clone());
        let folder = written(config, &self.weights());
        for (name, content) in &self.files {
            fs_err::write(folder.path().join(name), content).expect("written");
        }
        folder
    }

    fn weights(&self) -> Vec<u8> {
        let bytes = read(&fixtures().join(&self.family).join("model.safetensors"));
        let file = SafeTensors::deserialize(&bytes).expect("the fixture");
        let filled: Vec<(&String, Vec<usize>, Vec<u8>)> = self
            .fill
            .iter()
            .map(|(name, numbers)| {
                let (value, shape) = numbers.split_first().expect("a value and a shape");
                let shape: Vec<usize> = shape.iter().map(|width| *width as usize).collect();
                let count = shape.iter().product();
                (name, shape, value.to_le_bytes().repeat(count))
            })
            .collect();
        let mut views: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
        for (old, new) in &self.rename {
            let view = views.remove(old.as_str()).expect("the tensor");
            views.insert(new, view);
        }
        for (name, shape, bytes) in &filled {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            views.insert(name, view.expect("a tensor"));
        }
        serialize(views, None).expect("a file")
    }

    /// Checks that `found` are the warnings that are expected, the file in front of each.
    fn check_warnings(&self, found: &[String], folder: &Path) {
        let place = folder.display().to_string();
        assert_eq!(found.len(), self.warns.len(), "{}: {found:#?}", self.name);
        for (found, wanted) in found.iter().zip(&self.warns) {
            assert!(
                found.contains(wanted) && found.starts_with(&place),
                "{}: {found}\nlacks {wanted}",
                self.name
            );
        }
    }
}

/// Logits of a row of tokens.
fn logits(model: &LoadedModel, tokens: &[u32]) -> Vec<f32> {
    let granularity = Granularity::default();
    let graph = ComputationGraph::new(model.config(), &granularity, &BTreeMap::new());
    let graph = graph.expect("a graph");
    let transformer = Transformer::new(&model.weights, &graph);
    transformer.residuals(tokens).logits
}

fn singles(view: &TensorView<'_>) -> Vec<f32> {
    let (values, _) = view.data().as_chunks::<4>();
    values.iter().map(|le| f32::from_le_bytes(*le)).collect()
}

#[test]
fn variants_compute_what_transformers_computes_or_are_refused() {
    let variants: Vec<Variant> =
        serde_json::from_slice(&read(&folder().join("variants.json"))).expect("the fixture");
    let golden = read(&folder().join("golden.safetensors"));
    let golden = SafeTensors::deserialize(&golden).expect("the fixture");
    let tokens = golden.tensor("tokens").expect("tokens");
    let (tokens, _) = tokens.data().as_chunks::<8>();
    let tokens: Vec<u32> = tokens
        .iter()
        .map(|le| i64::from_le_bytes(*le) as u32)
        .collect();
    let mut compared = 0;
    for variant in &variants {
        let folder = variant.written();
        let name = format!("{}/{}", variant.family, variant.name);
        let header = read_header(".", folder.path());
        if let Some(expected) = &variant.refused {
            let text = refusal(load_model(".", folder.path()));
            assert!(text.contains(expected), "{name}: {text}\nlacks {expected}");
            let header = header.expect_err("inspect agrees").to_string();
            assert_eq!(header, text, "{name}: inspect says something else");
            continue;
        }
        let model = load_model(".", folder.path());
        let model = model.unwrap_or_else(|error| panic!("{name}: {error}"));
        let header = header.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&header.config, model.config(), "{name}");
        variant.check_warnings(&model.warnings, folder.path());
        variant.check_warnings(&header.warnings, folder.path());
        let wanted = singles(&golden.tensor(&name).expect("computed"));
        let found = logits(&model, &tokens);
        assert_eq!(found.len(), wanted.len(), "{name}");
        let scale = wanted.iter().fold(1.0_f32, |most, it| most.max(it.abs()));
        for (found, wanted) in found.iter().zip(&wanted) {
            let difference = f64::from((found - wanted).abs() / scale);
            assert!(difference <= TOLERANCE, "{name}: {found}, not {wanted}");
        }
        compared += 1;
    }
    assert_eq!(compared + 1, golden.len(), "all numbers are compared");
}

/// What a key is to the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    /// Another value is another model, or one that the tensors are not of.
    Used,
    /// Another value changes nothing.
    Harmless,
    /// Another value is refused by name.
    Refused,
    /// Another value changes nothing, as in transformers, and a warning says so.
    Ignored,
}

#[test]
fn every_key_that_transformers_reads_is_known() {
    let families: BTreeMap<String, BTreeMap<String, Option<(Role, Value)>>> =
        serde_json::from_slice(&read(&folder().join("keys.json"))).expect("the fixture");
    let shared = &families["all"];
    for (family, keys) in families.iter().filter(|(family, _)| *family != "all") {
        let weights = read(&fixtures().join(family).join("model.safetensors"));
        let plain = written(configuration(family), &weights);
        let plain = read_header(".", plain.path()).expect("the fixture");
        for (key, case) in shared.iter().chain(keys) {
            let Some((role, value)) = case else { continue };
            let mut config = configuration(family);
            config.insert(key.clone(), value.clone());
            let folder = written(config, &weights);
            let found = read_header(".", folder.path());
            let what = format!("{family}: {key} = {value}, {role:?}");
            match (role, found) {
                (Role::Used, Ok(found)) => {
                    assert_ne!(found.config, plain.config, "{what}");
                    // Another key may say otherwise.
                    let named = |it: &String| it.contains(key.as_str());
                    assert!(found.warnings.iter().all(named), "{what}");
                }
                (Role::Used, Err(Error::Model { .. })) => {}
                (Role::Refused, Err(error)) => {
                    assert!(error.to_string().contains(key.as_str()), "{what}: {error}");
                }
                (Role::Harmless, Ok(found)) => {
                    assert_eq!(found.config, plain.config, "{what}");
                    assert_eq!(found.warnings, plain.warnings, "{what}");
                }
                (Role::Ignored, Ok(found)) => {
                    assert_eq!(found.config, plain.config, "{what}");
                    let named = found.warnings.iter().filter(|it| it.contains(key.as_str()));
                    assert_eq!(named.count(), 1, "{what}: {:?}", found.warnings);
                }
                (_, Ok(_)) => panic!("{what}: accepted"),
                (_, Err(error)) => panic!("{what}: {error}"),
            }
        }
    }
}
