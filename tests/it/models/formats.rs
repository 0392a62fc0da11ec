//! The same model in every format has the same weights; tokenizers follow their files.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use safetensors::tensor::Dtype;
use secateur::model::{PrependBos, builtin_models, load_model, read_header};
use serde_json::json;

use super::files::*;

#[test]
fn every_built_in_model_loads_with_its_tokenizer() {
    for name in builtin_models() {
        let reference = format!("builtin:{name}");
        let model = load_model(&reference, Path::new(".")).unwrap();
        let header = read_header(&reference, Path::new(".")).unwrap();
        assert_eq!(model.name, name);
        assert_eq!(&header.config, model.config());
        assert!(model.tokenizer.is_some(), "{:?}", model.no_tokenizer);
    }
}

#[test]
fn shards_prefixes_and_float_types_give_the_same_weights() {
    for (config, tensors, prefix) in [
        (llama_config(), llama_tensors(), ""),
        (gpt2_config(), gpt2_tensors(), "transformer."),
    ] {
        let folder = Folder::new(&config, &tensors);
        let whole = folder.load().unwrap();
        let expected = flat(&whole.weights);
        for dtype in [Dtype::F16, Dtype::BF16, Dtype::F64] {
            folder.write("model.safetensors", &bytes_of(&tensors, dtype));
            let model = folder.load().unwrap();
            assert_eq!(flat(&model.weights), expected, "{dtype:?}");
            assert_ne!(model.hash, whole.hash);
        }
        let mut shards = [Named::new(), Named::new()];
        let mut map = BTreeMap::new();
        for (at, (name, tensor)) in tensors.into_iter().enumerate() {
            let name = format!("{prefix}{name}");
            shards[at % 2].insert(name.clone(), tensor);
            map.insert(name, format!("part-{}.safetensors", at % 2));
        }
        fs_err::remove_file(folder.path("model.safetensors")).unwrap();
        for (at, shard) in shards.iter().enumerate() {
            folder.write(
                &format!("part-{at}.safetensors"),
                &bytes_of(shard, Dtype::F32),
            );
        }
        let index = json!({ "weight_map": map });
        folder.write("model.safetensors.index.json", index.to_string().as_bytes());
        assert_eq!(flat(&folder.load().unwrap().weights), expected);

        folder.write("part-1.safetensors", &bytes_of(&shards[0], Dtype::F32));
        assert!(folder.refusal().contains("is also in"));
        let mut fewer = shards[1].clone();
        fewer.pop_first();
        folder.write("part-1.safetensors", &bytes_of(&fewer, Dtype::F32));
        assert!(folder.refusal().contains("which lacks it"));
        fs_err::remove_file(folder.path("part-1.safetensors")).unwrap();
        assert!(folder.refusal().contains("part-1.safetensors"));
        let index = json!({ "weight_map": {"a": "../config.json"} });
        folder.write("model.safetensors.index.json", index.to_string().as_bytes());
        assert!(folder.refusal().contains("not the name of a file"));
    }
}

#[test]
fn gguf_files_equal_the_same_model_as_safetensors() {
    for (config, tensors) in [
        (llama_config(), llama_tensors()),
        (gpt2_config(), gpt2_tensors()),
    ] {
        let folder = Folder::new(&config, &tensors);
        let expected = folder.load().unwrap();
        let metadata = metadata(&expected.config().family);
        let path = folder.path("model.gguf");
        for dtype in [GgmlDType::F32, GgmlDType::F16] {
            write_gguf(&path, &tensors, &metadata, dtype);
            let model = load_model("model.gguf", folder.0.path()).unwrap();
            assert_eq!(model.config(), expected.config());
            assert_eq!(flat(&model.weights), flat(&expected.weights));
            let error = model.require_tokenizer().unwrap_err().to_string();
            assert!(error.contains("there is no tokenizer"), "{error}");
        }
        for dtype in [GgmlDType::Q4_1, GgmlDType::Q8_0] {
            write_gguf(&path, &tensors, &metadata, dtype);
            let model = load_model("model.gguf", folder.0.path()).unwrap();
            let step = if dtype == GgmlDType::Q8_0 { 0.01 } else { 0.08 };
            for (got, want) in flat(&model.weights)
                .into_iter()
                .zip(flat(&expected.weights))
            {
                let difference = f32::from_bits(got) - f32::from_bits(want);
                assert!(difference.abs() < step, "{dtype:?}: off by {difference}");
            }
        }
    }
}

#[test]
fn byte_level_tokenizers_come_from_gguf_metadata() {
    let folder = Folder::new(&llama_config(), &llama_tensors());
    let path = folder.path("m.gguf");
    let load = |pre: &str, adds_bos: Option<bool>, merges: &[&str]| {
        let mut all = metadata("llama");
        all.extend(tokenizer_metadata(pre, adds_bos, merges));
        write_gguf(&path, &llama_tensors(), &all, GgmlDType::F32);
        load_model("m.gguf", folder.0.path())
    };
    let merges = ["a b", "Ġ ab", "1 2"];
    for (pre, bos, expected) in [
        ("smollm", Some(false), vec![6, 7, 3, 4, 5, 9, 10, 0]),
        ("smollm", Some(true), vec![0, 6, 7, 3, 4, 5, 9, 10, 0]),
        ("gpt-2", None, vec![6, 7, 3, 8, 9, 10, 0]),
        ("llama-bpe", None, vec![0, 6, 7, 3, 8, 9, 10, 0]),
        ("qwen2", None, vec![6, 7, 3, 4, 5, 9, 10, 0]),
    ] {
        let model = load(pre, bos, &merges).unwrap();
        let tokenizer = model.require_tokenizer().unwrap();
        let text = "ab ab 12<tool>!<s>";
        let ids = tokenizer.encode(text, PrependBos::Auto).unwrap();
        assert_eq!(ids, expected, "{pre}");
        let plain = tokenizer.encode(text, PrependBos::Never).unwrap();
        assert_eq!(tokenizer.decode(&plain), text, "{pre}");
        assert_eq!(tokenizer.single_token(" ab"), Some(7));
    }
    let model = load("mystery", None, &merges).unwrap();
    let error = model.require_tokenizer().unwrap_err().to_string();
    assert!(
        error.contains("mystery") && error.contains("smollm"),
        "{error}"
    );
    // Token ids work without it.
    for (merge, problem) in [("ab", "not a pair"), ("a z", "malformed")] {
        let model = load("smollm", None, &[merge]).unwrap();
        let error = model.require_tokenizer().unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(model.warnings[0].contains(problem), "{:?}", model.warnings);
    }
}
