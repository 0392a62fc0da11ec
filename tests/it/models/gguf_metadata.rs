//! What GGUF metadata say is honoured as llama.cpp reads it, or named in a warning; absent keys take its defaults.

use std::path::Path;

use candle_core::Device;
use candle_core::quantized::gguf_file::{self, Content, Value};
use secateur::model::{LoadedModel, ModelConfig, Positions, load_model};
use tempfile::TempDir;

use super::families::fixtures;
use super::files::refusal;

/// Loads a fixture's GGUF file without the keys that end like the `removed` ones, and with others set.
fn changed(
    family: &str,
    removed: &[&str],
    set: &[(&str, Value)],
) -> (TempDir, secateur::Result<LoadedModel>) {
    let path = fixtures().join(family).join("model.gguf");
    let mut file = fs_err::File::open(&path).expect("the fixture");
    let mut content = Content::read(&mut file).expect("a GGUF file");
    let tensors: Vec<_> = content
        .tensor_infos
        .keys()
        .map(|name| {
            let tensor = content.tensor(&mut file, name, &Device::Cpu);
            (name.as_str(), tensor.expect("a tensor"))
        })
        .collect();
    content
        .metadata
        .retain(|key, _| !removed.iter().any(|end| key.ends_with(end)));
    for (key, value) in set {
        content.metadata.insert((*key).to_owned(), value.clone());
    }
    let metadata = content.metadata.iter();
    let metadata: Vec<_> = metadata.map(|(key, it)| (key.as_str(), it)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, it)| (*name, it)).collect();
    let folder = TempDir::new().expect("a folder");
    let mut out = fs_err::File::create(folder.path().join("m.gguf")).expect("a file");
    gguf_file::write(&mut out, &metadata, &tensors).expect("written");
    let loaded = load_model("m.gguf", folder.path());
    (folder, loaded)
}

fn config(family: &str, removed: &[&str], set: &[(&str, Value)]) -> ModelConfig {
    let (_folder, loaded) = changed(family, removed, set);
    let model = loaded.unwrap_or_else(|error| panic!("{family} {removed:?} {set:?}: {error}"));
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
    model.config().clone()
}

/// What frequencies are divided by.
fn factors(config: &ModelConfig) -> Option<Vec<f64>> {
    match &config.positions {
        Positions::Rotary { scaling, .. } => scaling.as_ref().map(|it| it.factors.clone()),
        Positions::Learned => panic!("rotary positions"),
    }
}

#[test]
fn a_factor_alone_scales_linearly() {
    let text = |text: &str| Value::String(text.into());
    let factor = ("llama.rope.scaling.factor", Value::F32(4.0));
    let older = ("llama.rope.scale_linear", Value::F32(2.0));
    let kind = |kind: &str| ("llama.rope.scaling.type", text(kind));
    let four = Some(vec![4.0; 3]);
    for (set, expected) in [
        (vec![factor.clone()], four.clone()),
        (vec![factor.clone(), kind("linear")], four.clone()),
        (vec![factor.clone(), older.clone()], four),
        (vec![older.clone()], Some(vec![2.0; 3])),
        (vec![factor, kind("none")], None),
        (vec![older, kind("none")], None),
        (vec![], None),
    ] {
        assert_eq!(factors(&config("smollm", &[], &set)), expected, "{set:?}");
    }
}

#[test]
fn attention_to_both_sides_is_honoured() {
    let causal = |value: bool| ("llama.attention.causal", Value::Bool(value));
    let both = |set: &[(&str, Value)]| config("smollm", &[], set).attention.bidirectional;
    assert!(both(&[causal(false)]));
    assert!(!both(&[causal(true)]));
    assert!(!both(&[]));
    let (_folder, loaded) = changed("smollm", &[], &[("llama.attention.causal", Value::U8(0))]);
    let text = refusal(loaded);
    assert!(
        text.contains("llama.attention.causal is not true or false"),
        "{text}"
    );
    let set = [("gemma2.attention.causal", Value::Bool(false))];
    let text = refusal(changed("gemma2", &[], &set).1);
    assert!(text.contains("sliding windows"), "{text}");
}

#[test]
fn absent_keys_take_the_defaults_of_llama_cpp() {
    let plain = config("gemma2", &[], &[]);
    let found = config("gemma2", &["softcapping", "sliding_window"], &[]);
    assert_eq!(found.attention.soft_cap, Some(50.0));
    assert_eq!(found.logit_soft_cap, Some(30.0));
    let local = found.attention.local.expect("windows");
    assert_eq!(local.window, 4096);
    assert_eq!(local.layers, plain.attention.local.expect("windows").layers);
    let found = config("gemma3_text", &["sliding_window"], &[]);
    assert_eq!(found.attention.local, None, "all layers are alike");
    let found = config("smollm", &["rope.freq_base"], &[]);
    let Positions::Rotary { theta, .. } = found.positions else {
        panic!("rotary positions");
    };
    assert!((theta - 10_000.0).abs() < 1e-9);
}

#[test]
fn lists_have_one_entry_for_each_layer() {
    let list = |values: &[u32]| Value::Array(values.iter().copied().map(Value::U32).collect());
    let plain = config("smollm", &[], &[]);
    let (heads, layers) = (plain.n_heads as u32, plain.n_layers);
    let key = "llama.attention.head_count";
    assert_eq!(
        config("smollm", &[], &[(key, list(&vec![heads; layers]))]),
        plain
    );
    for (family, key, value, problem) in [
        (
            "smollm",
            key,
            list(&vec![heads; layers + 1]),
            "one for each of the",
        ),
        (
            "smollm",
            "llama.attention.head_count_kv",
            list(&[1]),
            "lists 1 numbers",
        ),
        (
            "smollm",
            "llama.feed_forward_length",
            list(&[]),
            "lists 0 numbers",
        ),
        (
            "smollm",
            "llama.embedding_length",
            list(&vec![24; layers]),
            "is not a size",
        ),
        (
            "smollm",
            "llama.rope.scaling.type",
            Value::U32(1),
            "is not a text",
        ),
        (
            "gemma2",
            "gemma2.attention.sliding_window_pattern",
            list(&[1]),
            "lists 1 values",
        ),
    ] {
        let text = refusal(changed(family, &[], &[(key, value)]).1);
        assert!(text.contains(key) && text.contains(problem), "{text}");
    }
}

#[test]
fn keys_that_nobody_reads_are_named() {
    let harmless = [
        ("general.author", Value::String("us".into())),
        ("quantize.imatrix.file", Value::String("x".into())),
        ("tokenizer.chat_template", Value::String("x".into())),
        ("llama.vocab_size", Value::U32(61)),
    ];
    config("smollm", &[], &harmless);
    let set = [
        ("llama.attention.sliding_window", Value::U32(4)),
        ("llama.logit_scale", Value::F32(2.0)),
        ("someone.else", Value::U8(1)),
    ];
    let (folder, loaded) = changed("smollm", &[], &set);
    let warnings = loaded.expect("the model").warnings;
    let file = Path::new(folder.path()).join("m.gguf");
    assert_eq!(
        warnings,
        [format!(
            "{}: metadata that Secateur does not read for models of this architecture was ignored: \
             llama.attention.sliding_window, llama.logit_scale, someone.else",
            file.display()
        )]
    );
}
