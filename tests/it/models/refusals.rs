//! Broken files: always a model error that names the file and what is wrong with it, never a panic.

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use proptest::prelude::*;
use safetensors::tensor::Dtype;
use secateur::Error;
use secateur::model::load_model;
use serde_json::json;

use super::files::*;

#[test]
fn wrong_configurations_are_refused_by_name() {
    let llama = |key: &str, value: serde_json::Value| {
        let mut config = llama_config();
        config[key] = value;
        (config, llama_tensors())
    };
    let gpt2 = |key: &str, value: serde_json::Value| {
        let mut config = gpt2_config();
        config[key] = value;
        (config, gpt2_tensors())
    };
    for ((config, tensors), expected) in [
        (
            llama("model_type", json!("mamba")),
            "unknown architecture \"mamba\"; supported: gpt2, llama",
        ),
        (llama("model_type", json!(null)), "supported: gpt2, llama"),
        (llama("num_attention_heads", json!(0)), "0 heads"),
        (
            llama("num_key_value_heads", json!(3)),
            "4 heads cannot share 3",
        ),
        (
            llama("num_key_value_heads", json!(0)),
            "key/value heads is 0",
        ),
        (
            llama("num_hidden_layers", json!(4000)),
            "4000 layers are announced",
        ),
        (
            llama("num_hidden_layers", json!(u64::MAX)),
            "number of layers",
        ),
        (
            llama("num_hidden_layers", json!(-1)),
            "not a model configuration",
        ),
        (
            llama("num_hidden_layers", json!(1)),
            "1 layers are announced, but there is a tensor",
        ),
        (
            llama("num_hidden_layers", json!(3)),
            "tensor model.layers.2.self_attn.q_proj.weight is missing; expected shape [32, 32]",
        ),
        (llama("hidden_size", json!(u64::MAX)), "model "),
        (llama("head_dim", json!(7)), "7 rotated dimensions"),
        (
            llama("head_dim", json!(16)),
            "q_proj.weight has shape [32, 32], expected [64, 32]",
        ),
        (
            llama("vocab_size", json!(13)),
            "embed_tokens.weight has shape [12, 32], expected [13, 32]",
        ),
        (
            llama(
                "rope_scaling",
                json!({"rope_type": "llama3", "factor": 8.0}),
            ),
            "rope_scaling",
        ),
        (llama("hidden_act", json!("relu")), "hidden_act"),
        (llama("rms_norm_eps", json!(-1.0)), "epsilon"),
        (llama("rope_theta", json!(0.0)), "rotary base"),
        (llama("attention_bias", json!(true)), "bias is missing"),
        (gpt2("n_head", json!(0)), "number of heads is 0"),
        (gpt2("n_head", json!(5)), "cannot be split into 5 heads"),
        (gpt2("activation_function", json!("mish")), "mish"),
        (
            gpt2("scale_attn_by_inverse_layer_idx", json!(true)),
            "not supported",
        ),
        (
            gpt2("tie_word_embeddings", json!(false)),
            "lm_head.weight is missing",
        ),
        (
            gpt2("n_positions", json!(17)),
            "wpe.weight has shape [16, 32], expected [17, 32]",
        ),
    ] {
        let text = Folder::new(&config, &tensors).refusal();
        assert!(text.contains(expected), "{text}\nlacks {expected}");
    }
}

#[test]
fn every_tensor_is_needed_with_its_shape_and_finite_values() {
    for (config, tensors) in [
        (llama_config(), llama_tensors()),
        (gpt2_config(), gpt2_tensors()),
    ] {
        let folder = Folder::new(&config, &tensors);
        for (name, (shape, values)) in &tensors {
            let mut broken = tensors.clone();
            broken.remove(name);
            folder.write("model.safetensors", &bytes_of(&broken, Dtype::F32));
            let text = folder.refusal();
            assert!(text.contains(name) && text.contains("missing"), "{text}");

            let longer = shape.iter().product::<usize>() + 1;
            broken.insert(name.clone(), (vec![longer], vec![0.0; longer]));
            folder.write("model.safetensors", &bytes_of(&broken, Dtype::F32));
            let text = folder.refusal();
            assert!(text.contains(name) && text.contains("expected ["), "{text}");

            for bad in [f32::NAN, f32::INFINITY] {
                let mut values = values.clone();
                *values.last_mut().unwrap() = bad;
                broken.insert(name.clone(), (shape.clone(), values));
                folder.write("model.safetensors", &bytes_of(&broken, Dtype::F32));
                let text = folder.refusal();
                assert!(text.contains(name) && text.contains("finite"), "{text}");
            }
        }
        folder.write("model.safetensors", &bytes_of(&tensors, Dtype::I32));
        assert!(folder.refusal().contains("type I32"));
        fs_err::remove_file(folder.path("model.safetensors")).unwrap();
        assert!(folder.refusal().contains("neither model.safetensors nor"));
        fs_err::remove_file(folder.path("config.json")).unwrap();
        assert!(folder.refusal().contains("no config.json"));
    }
}

#[test]
fn truncated_files_are_refused() {
    let folder = Folder::new(&llama_config(), &llama_tensors());
    let whole = fs_err::read(folder.path("model.safetensors")).unwrap();
    for length in (0..200).chain((200..whole.len()).step_by(997)) {
        folder.write("model.safetensors", &whole[..length]);
        assert!(folder.refusal().contains("model.safetensors: not a whole"));
    }
    let mut absurd = whole.clone();
    absurd[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    folder.write("model.safetensors", &absurd);
    assert!(folder.refusal().contains("not a whole safetensors file"));

    let path = folder.path("m.gguf");
    write_gguf(&path, &llama_tensors(), &metadata("llama"), GgmlDType::Q8_0);
    let whole = fs_err::read(&path).unwrap();
    // The last tensor may end in padding, which nothing needs.
    for length in (0..whole.len() - 32).step_by(61) {
        folder.write("m.gguf", &whole[..length]);
        let text = refusal(load_model("m.gguf", folder.0.path()));
        assert!(text.contains("m.gguf"), "{text}");
    }
    for (at, text) in [(8, "within its header"), (16, "within its header")] {
        let mut absurd = whole.clone();
        absurd[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        folder.write("m.gguf", &absurd);
        let refused = refusal(load_model("m.gguf", folder.0.path()));
        assert!(
            refused.contains("not a whole GGUF file"),
            "{refused} {text}"
        );
    }
}

#[test]
fn gguf_metadata_is_checked() {
    let folder = Folder::new(&llama_config(), &llama_tensors());
    for (key, value, expected) in [
        (
            "general.architecture",
            Value::String("mamba".into()),
            "supported: gpt2, llama",
        ),
        ("general.alignment", Value::U32(0), "general.alignment"),
        ("llama.attention.head_count", Value::U32(0), "0 heads"),
        (
            "llama.attention.head_count",
            Value::String("4".into()),
            "llama.attention.head_count is not a size",
        ),
        (
            "llama.attention.head_count_kv",
            Value::U64(u64::MAX),
            "key/value heads",
        ),
        (
            "llama.block_count",
            Value::U32(3),
            "blk.2.attn_q.weight is missing",
        ),
        (
            "llama.rope.scaling.type",
            Value::String("yarn".into()),
            "scaled rotary positions",
        ),
        (
            "llama.rope.dimension_count",
            Value::U32(4),
            "llama.rope.dimension_count is 4",
        ),
    ] {
        let mut all = metadata("llama");
        all.retain(|(known, _)| known != key);
        all.push((key.to_owned(), value));
        write_gguf(
            &folder.path("m.gguf"),
            &llama_tensors(),
            &all,
            GgmlDType::F32,
        );
        let text = refusal(load_model("m.gguf", folder.0.path()));
        assert!(text.contains(expected), "{text}\nlacks {expected}");
    }
}

#[test]
fn missing_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (reference, expected) in [
        ("no/such.gguf", "no/such.gguf: there is no such file"),
        ("builtin:nothing", "toy-gpt2, toy-llama"),
        (
            "hf:secateur-test/not-there",
            "hf download secateur-test/not-there",
        ),
        ("hf:../..", "expected hf:ORG/NAME"),
        ("notes.txt", "expected a folder"),
    ] {
        fs_err::write(folder.path().join("notes.txt"), "hello").unwrap();
        let text = refusal(load_model(reference, folder.path()));
        assert!(text.contains(expected), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), headed in any::<bool>()) {
        let folder = Folder::new(&llama_config(), &llama_tensors());
        folder.write("tokenizer.json", &bytes);
        prop_assert!(folder.load().unwrap().no_tokenizer.is_some());
        let gguf = if headed { [b"GGUF\x03\0\0\0".as_slice(), &bytes].concat() } else { bytes.clone() };
        folder.write("m.gguf", &gguf);
        refusal(load_model("m.gguf", folder.0.path()));
        for name in ["model.safetensors", "config.json"] {
            folder.write(name, &bytes);
            folder.refusal();
        }
    }

    #[test]
    fn flipped_bytes_never_panic(at in 0_usize..2800, value in any::<u8>(), wide in any::<bool>()) {
        let folder = Folder::new(&llama_config(), &llama_tensors());
        let path = folder.path("m.gguf");
        let mut all = metadata("llama");
        all.extend(tokenizer_metadata("smollm", None, &["a b", "Ġ ab"]));
        write_gguf(&path, &llama_tensors(), &all, GgmlDType::Q8_0);
        for name in ["m.gguf", "model.safetensors"] {
            let mut bytes = fs_err::read(folder.path(name)).unwrap();
            let end = if wide { at + 8 } else { at + 1 };
            bytes[at..end].fill(value);
            folder.write(name, &bytes);
        }
        for loaded in [load_model("m.gguf", folder.0.path()), folder.load()] {
            let fine = matches!(loaded, Ok(_) | Err(Error::Model { .. }));
            prop_assert!(fine);
        }
    }
}
