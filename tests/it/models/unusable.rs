//! Files that hold no model of ours: refused for the reason that is seen from outside, and alike by whoever reads them.

#![expect(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use safetensors::tensor::Dtype;
use secateur::model::{load_model, read_header};
use serde_json::json;

use super::files::*;
use crate::program::{refused, secateur};

/// A folder with these changes of config.json.
fn with(changes: &[(&str, serde_json::Value)]) -> Folder {
    let mut config = llama_config();
    for (key, value) in changes {
        config[key] = value.clone();
    }
    Folder::new(&config, &llama_tensors())
}

/// A folder with another file in the place of its weights.
fn in_place_of_weights(name: &str) -> Folder {
    let folder = with(&[]);
    fs_err::remove_file(folder.path("model.safetensors")).unwrap();
    folder.write(name, b"PK");
    folder
}

/// A folder with one more tensor.
fn with_tensor(name: &str) -> Folder {
    let folder = with(&[]);
    let mut tensors = llama_tensors();
    tensors.insert(name.into(), (vec![2], vec![0.0; 2]));
    folder.write("model.safetensors", &bytes_of(&tensors, Dtype::F32));
    folder
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn folders() -> Vec<(Folder, &'static [&'static str])> {
    let mut cases: Vec<(Folder, &'static [&'static str])> = Vec::new();
    let mut add = |folder, parts| cases.push((folder, parts));
    for (quantisation, parts) in [
        (
            json!({"quant_method": "bitsandbytes", "load_in_4bit": true}),
            &["bitsandbytes, 4 bits"][..],
        ),
        (json!({"load_in_8bit": true}), &["8 bits"]),
        (
            json!({"quant_method": "gptq", "bits": 4}),
            &["gptq, 4 bits"],
        ),
        (json!({"quant_method": "awq", "bits": 4}), &["awq, 4 bits"]),
        (json!({"quant_method": "fp8"}), &["fp8"]),
        (
            json!({"quant_method": "compressed-tensors"}),
            &["compressed-tensors"],
        ),
        (
            json!({"quant_method": "mxfp4"}),
            &["mxfp4", "full precision"],
        ),
    ] {
        add(with(&[("quantization_config", quantisation)]), parts);
    }
    add(
        with(&[(
            "text_config",
            json!({"quantization_config": {"quant_method": "hqq"}}),
        )]),
        &["hqq", "quantization_config"],
    );
    for file in [
        "quantize_config.json",
        "quant_config.json",
        "hf_quant_config.json",
    ] {
        let folder = with(&[]);
        folder.write(file, b"{\"bits\": 4}");
        add(folder, &["_config.json: says", "quantised"]);
    }
    for (tensor, parts) in [
        (
            "model.layers.0.mlp.up_proj.qweight",
            &["GPTQ or AWQ", "up_proj.qweight"][..],
        ),
        (
            "model.layers.0.mlp.up_proj.weight.absmax",
            &["bitsandbytes"],
        ),
        (
            "model.layers.0.mlp.up_proj.SCB",
            &["8 bits by bitsandbytes"],
        ),
        ("model.layers.0.mlp.up_proj.weight_scale_inv", &["fp8"]),
        (
            "model.layers.0.mlp.up_proj.weight_packed",
            &["compressed-tensors"],
        ),
        (
            "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight",
            &["LoRA adapter"],
        ),
        ("score.weight", &["classification or reward head"]),
        ("v_head.summary.weight", &["value head"]),
    ] {
        add(with_tensor(tensor), parts);
    }
    for class in [
        "LlamaForSequenceClassification",
        "LlamaForTokenClassification",
        "LlamaForQuestionAnswering",
        "LlamaForRewardModel",
    ] {
        add(
            with(&[("architectures", json!([class]))]),
            &["architectures is", "and no unembedding"],
        );
    }
    let folder = with(&[("architectures", json!(["LlamaModel"]))]);
    let mut tensors = llama_tensors();
    tensors.remove("lm_head.weight");
    folder.write("model.safetensors", &bytes_of(&tensors, Dtype::F32));
    add(folder, &["lm_head.weight is missing", "Embedding models"]);
    for (kind, key) in [("llama4", "vision_config"), ("voxtral", "audio_config")] {
        add(
            with(&[("model_type", json!(kind)), (key, json!({}))]),
            &["unknown architecture", "a model of text and"],
        );
    }
    for family in ["bloom", "falcon", "mamba", "olmo2", "stablelm"] {
        let folder = with(&[("model_type", json!(family))]);
        add(folder, &["unknown architecture", "supported: gpt2"]);
    }
    for (file, parts) in [
        (
            "pytorch_model.bin",
            &[
                "PyTorch weights (pytorch_model.bin)",
                "convert them to safetensors",
            ][..],
        ),
        (
            "pytorch_model-00001-of-00002.bin",
            &["PyTorch weights", "convert"],
        ),
        ("consolidated.00.pth", &["PyTorch weights", "convert"]),
        ("model.pt", &["PyTorch weights", "convert"]),
        ("epoch1.ckpt", &["training checkpoint", "convert"]),
        ("tf_model.h5", &["TensorFlow", "convert"]),
        ("flax_model.msgpack", &["Flax", "convert"]),
        ("model.onnx", &["ONNX", "convert"]),
        ("other.safetensors", &["rename other.safetensors"]),
        ("model-q4.gguf", &["name the file itself", "model-q4.gguf"]),
        ("adapter_config.json", &["adapter"]),
    ] {
        add(in_place_of_weights(file), parts);
    }
    let folder = in_place_of_weights("model-00001-of-00002.safetensors");
    folder.write("model-00002-of-00002.safetensors", b"");
    add(folder, &["shards", "without their index"]);
    let folder = in_place_of_weights("a.txt");
    let map: serde_json::Map<String, serde_json::Value> = (1..=7)
        .map(|at| {
            (
                format!("t{at}"),
                json!(format!("model-0000{at}-of-00007.safetensors")),
            )
        })
        .collect();
    folder.write(
        "model.safetensors.index.json",
        json!({"weight_map": map}).to_string().as_bytes(),
    );
    add(
        folder,
        &[
            "index.json: names model-00001-of-00007.safetensors",
            "and 2 more",
            "fetch",
        ],
    );
    // Without a configuration.
    let bare = |file: &str, content: &[u8]| {
        let folder = with(&[]);
        fs_err::remove_file(folder.path("config.json")).unwrap();
        fs_err::remove_file(folder.path("model.safetensors")).unwrap();
        folder.write(file, content);
        folder
    };
    add(
        bare(
            "adapter_config.json",
            br#"{"peft_type": "LORA", "base_model_name_or_path": "org/base"}"#,
        ),
        &["is an adapter (LORA) of \"org/base\"", "merge"],
    );
    add(
        bare("a.gguf", b""),
        &["no config.json", "name the file itself"],
    );
    add(bare("model_index.json", b"{}"), &["diffusers"]);
    add(
        bare("params.json", b"{}"),
        &["params.json", "Hugging Face's format"],
    );
    add(bare("a.txt", b""), &["no config.json"]);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1000\n";
    for file in ["config.json", "model.safetensors"] {
        let folder = with(&[]);
        folder.write(file, pointer);
        add(folder, &["Git LFS pointer", "git lfs pull"]);
    }
    cases
}

#[test]
fn folders_are_refused_for_the_reason_that_is_seen() {
    for (folder, parts) in folders() {
        let text = folder.refusal();
        for part in parts {
            assert!(text.contains(part), "{text}\nlacks {part}");
        }
    }
}

#[test]
fn inspect_and_run_refuse_alike() {
    let row = "{\"clean\": [1, 2], \"corrupt\": [3, 2], \"answer\": [4], \"wrong\": [5]}\n";
    for (at, (folder, parts)) in folders().into_iter().enumerate() {
        // The same reader for all: a few are enough.
        if at % 9 != 0 {
            continue;
        }
        refused(&secateur(folder.0.path(), &["inspect", "."]), 3, parts);
        folder.write("rows.jsonl", row.repeat(8).as_bytes());
        let spec = "(format: 1, name: \"a\", models: [\".\"], task: Tokens(\"rows.jsonl\"), metric: LogitDiff,\n\
                    ablation: Patch, method: Eap())";
        folder.write("a.ron", spec.as_bytes());
        refused(
            &secateur(folder.0.path(), &["run", "a.ron", "--out", "out"]),
            3,
            parts,
        );
    }
}

#[test]
fn what_training_wraps_around_names_is_taken_off() {
    let plain = with(&[]).load().unwrap();
    let named = |name: &dyn Fn(&str) -> String| {
        let folder = with(&[]);
        let tensors: Named = llama_tensors()
            .into_iter()
            .map(|(key, tensor)| (name(&key), tensor))
            .collect();
        folder.write("model.safetensors", &bytes_of(&tensors, Dtype::F32));
        folder
    };
    for name in [
        &(|key: &str| format!("_orig_mod.{key}")) as &dyn Fn(&str) -> String,
        &|key| format!("module.{key}"),
        &|key| format!("module._orig_mod.{key}"),
        &|key| format!("_orig_mod.module.{key}"),
        // Blocks compiled one by one.
        &|key| key.replace("layers.0.", "layers.0._orig_mod."),
        &|key| key.replace("self_attn.", "_fsdp_wrapped_module.self_attn."),
    ] {
        let model = named(name).load().unwrap();
        assert_eq!(flat(&model.weights), flat(&plain.weights));
    }
    // On one tensor only, it is no wrapper.
    let folder = named(&|key| key.replace("lm_head", "module.lm_head"));
    assert!(folder.refusal().contains("lm_head"), "{}", folder.refusal());
    let folder = with(&[]);
    let mut tensors = llama_tensors();
    let head = tensors["lm_head.weight"].clone();
    tensors.insert("_orig_mod.lm_head.weight".into(), head);
    folder.write("model.safetensors", &bytes_of(&tensors, Dtype::F32));
    assert!(folder.refusal().contains("lm_head.weight is there twice"));
}

/// The bytes of a small GGUF file with more metadata.
fn gguf(folder: &Folder, more: &[(&str, Value)]) -> Vec<u8> {
    let mut values = metadata("llama");
    values.retain(|(key, _)| more.iter().all(|(other, _)| key != other));
    values.extend(
        more.iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    let path = folder.path("m.gguf");
    write_gguf(&path, &llama_tensors(), &values, GgmlDType::Q8_0);
    fs_err::read(path).unwrap()
}

/// The start of a text in bytes.
fn find(bytes: &[u8], text: &str) -> usize {
    let found = bytes
        .windows(text.len())
        .position(|it| it == text.as_bytes());
    found.unwrap()
}

#[test]
fn gguf_files_are_refused_for_the_reason_that_is_seen() {
    let folder = with(&[]);
    let text = |value: &str| Value::String(value.into());
    for (more, part) in [
        (
            &[("split.count", Value::U16(2)), ("split.no", Value::U16(1))][..],
            "file 2 of the 2",
        ),
        (&[("general.type", text("adapter"))], "is a LoRA adapter"),
        (&[("general.type", text("imatrix"))], "an importance matrix"),
        (&[("general.type", text("mmproj"))], "image or audio part"),
        (
            &[("general.type", text("other"))],
            "general.type is \"other\"",
        ),
        (
            &[("general.architecture", text("clip"))],
            "image or audio part",
        ),
        (&[("adapter.type", text("lora"))], "is a LoRA adapter"),
    ] {
        gguf(&folder, more);
        let refused = refusal(load_model("m.gguf", folder.0.path()));
        assert!(refused.contains(part), "{refused}\nlacks {part}");
        assert_eq!(
            read_header("m.gguf", folder.0.path())
                .unwrap_err()
                .to_string(),
            refused
        );
    }
    gguf(
        &folder,
        &[
            ("split.count", Value::U16(1)),
            ("general.type", text("model")),
        ],
    );
    load_model("m.gguf", folder.0.path()).unwrap();

    let whole = gguf(&folder, &[]);
    let name = "blk.0.ffn_down.weight";
    // Name, number of dimensions, two of these, type.
    let kind = find(&whole, name) + name.len() + 4 + 16;
    let version = |version: u32| (4, version.to_le_bytes());
    for ((at, bytes), part) in [
        (version(1), "version 1; versions 2 and 3"),
        (version(4), "version 4; versions 2 and 3"),
        (version(3_u32.swap_bytes()), "big-endian order (version 3)"),
        ((0, *b"FUGG"), "big-endian"),
        ((0, *b"ggml"), "before GGUF"),
        ((0, *b"PK\x03\x04"), "does not start with GGUF"),
        (
            (kind, 20_u32.to_le_bytes()),
            "blk.0.ffn_down.weight has elements of type IQ4_NL",
        ),
        ((kind, 39_u32.to_le_bytes()), "type MXFP4"),
        ((kind, 35_u32.to_le_bytes()), "type TQ2_0"),
        ((kind, 40_u32.to_le_bytes()), "type NVFP4"),
        ((kind, 24_u32.to_le_bytes()), "type I8"),
        ((kind, 99_u32.to_le_bytes()), "type number 99"),
    ] {
        let mut file = whole.clone();
        file[at..at + 4].copy_from_slice(&bytes);
        folder.write("m.gguf", &file);
        let refused = refusal(load_model("m.gguf", folder.0.path()));
        assert!(refused.contains(part), "{refused}\nlacks {part}");
        assert_eq!(
            read_header("m.gguf", folder.0.path())
                .unwrap_err()
                .to_string(),
            refused
        );
    }
    folder.write("m.gguf", &whole[..whole.len() / 2]);
    let refused = read_header("m.gguf", folder.0.path())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("beyond the end of the file"), "{refused}");
}

#[test]
fn names_given_twice_are_refused() {
    let folder = with(&[]);
    let whole = gguf(
        &folder,
        &[
            ("general.aaaa", Value::U32(1)),
            ("general.bbbb", Value::U32(2)),
        ],
    );
    for (from, to, part) in [
        (
            "general.aaaa",
            "general.bbbb",
            "metadata key \"general.bbbb\" is there twice",
        ),
        (
            "blk.0.ffn_up.weight",
            "blk.1.ffn_up.weight",
            "tensor \"blk.1.ffn_up.weight\" is there twice",
        ),
    ] {
        let mut file = whole.clone();
        let at = find(&file, from);
        file[at..at + to.len()].copy_from_slice(to.as_bytes());
        folder.write("m.gguf", &file);
        let refused = refusal(load_model("m.gguf", folder.0.path()));
        assert!(refused.contains(part), "{refused}");
    }
    let mut file = fs_err::read(folder.path("model.safetensors")).unwrap();
    let (from, to) = ("layers.0.mlp.up_proj", "layers.1.mlp.up_proj");
    let at = find(&file, from);
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
    folder.write("model.safetensors", &file);
    let refused = folder.refusal();
    assert!(
        refused.contains("up_proj.weight\" is there twice"),
        "{refused}"
    );
}

/// Ten terabytes that take no place on the disk, and arrays that claim more than there is.
#[test]
fn what_a_header_claims_takes_no_memory() {
    let folder = with(&[]);
    let whole = gguf(&folder, &[]);
    let sparse = |bytes: &[u8], name: &str| {
        folder.write(name, bytes);
        let file = fs_err::OpenOptions::new()
            .write(true)
            .open(folder.path(name))
            .unwrap();
        file.set_len(10 << 40).unwrap();
    };
    sparse(&whole, "m.gguf");
    let refused = refusal(load_model("m.gguf", folder.0.path()));
    assert!(
        refused.contains("bytes follow the last tensor"),
        "{refused}"
    );
    // One key with an array of 2^60 empty texts.
    let mut header = b"GGUF".to_vec();
    header.extend(3_u32.to_le_bytes());
    header.extend(1_u64.to_le_bytes());
    header.extend(1_u64.to_le_bytes());
    header.extend(1_u64.to_le_bytes());
    header.push(b'a');
    header.extend(9_u32.to_le_bytes());
    header.extend(8_u32.to_le_bytes());
    header.extend((1_u64 << 60).to_le_bytes());
    sparse(&header, "m.gguf");
    let refused = refusal(load_model("m.gguf", folder.0.path()));
    assert!(refused.contains("too long"), "{refused}");
    sparse(&[], "m.gguf");
    assert!(refusal(load_model("m.gguf", folder.0.path())).contains("does not start with GGUF"));
    for (name, part) in [
        ("config.json", "more than is read"),
        ("model.safetensors", "not a whole safetensors file"),
    ] {
        let folder = with(&[]);
        let file = fs_err::File::create(folder.path(name)).unwrap();
        file.set_len(10 << 40).unwrap();
        let refused = folder.refusal();
        assert!(refused.contains(part), "{refused}");
    }
}

/// Work on token ids needs no tokenizer: what is wrong with one is said where it is asked for.
fn problem(folder: &Folder, name: &str) -> String {
    if name == "tokenizer.json" {
        let loaded = folder.load();
        loaded.map_or_else(
            |error| error.to_string(),
            |model| model.require_tokenizer().unwrap_err().to_string(),
        )
    } else {
        folder.refusal()
    }
}

#[test]
fn a_pointer_in_the_place_of_a_tokenizer_is_named() {
    let folder = with(&[]);
    folder.write(
        "tokenizer.json",
        b"version https://git-lfs.github.com/spec/v1\n",
    );
    let found = problem(&folder, "tokenizer.json");
    assert!(found.contains("Git LFS pointer"), "{found}");
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_files_of_a_model() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let folder = with(&[]);
        let path = folder.path(name);
        fs_err::remove_file(&path).ok();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(problem(&folder, name).contains("is a pipe"), "{name}");
        fs_err::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(problem(&folder, name).contains("is a device"), "{name}");
        fs_err::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("../none", &path).unwrap();
        assert!(
            problem(&folder, name).contains("is a link to ../none"),
            "{name}"
        );
    }
}
