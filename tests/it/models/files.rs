//! Small models written to temporary folders as safetensors and GGUF.

#![expect(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView, serialize};
use secateur::Error;
use secateur::model::{LoadedModel, Table, Weights, load_model};
use serde_json::json;
use tempfile::TempDir;

pub(super) const LAYERS: usize = 2;
pub(super) const HEADS: usize = 4;
pub(super) const GROUPS: usize = 2;
pub(super) const D: usize = 32;
pub(super) const D_HEAD: usize = 8;
pub(super) const D_MLP: usize = 64;
pub(super) const VOCAB: usize = 12;

/// A tensor: shape and values.
pub(super) type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Values that are exact in half precision and differ between tensors and elements.
pub(super) fn values(seed: usize, count: usize) -> Vec<f32> {
    (0..count)
        .map(|at| ((at * 37 + seed * 101) % 255) as f32 / 128.0 - 1.0)
        .collect()
}

pub(super) fn filled(shapes: Vec<(String, Vec<usize>)>) -> Named {
    let shapes = shapes.into_iter().enumerate();
    shapes
        .map(|(seed, (name, shape))| {
            let values = values(seed, shape.iter().product());
            (name, (shape, values))
        })
        .collect()
}

pub(super) fn llama_tensors() -> Named {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCAB, D]),
        ("model.norm.weight".to_owned(), vec![D]),
        ("lm_head.weight".to_owned(), vec![VOCAB, D]),
    ];
    for layer in 0..LAYERS {
        for (part, shape) in [
            ("input_layernorm", vec![D]),
            ("self_attn.q_proj", vec![HEADS * D_HEAD, D]),
            ("self_attn.k_proj", vec![GROUPS * D_HEAD, D]),
            ("self_attn.v_proj", vec![GROUPS * D_HEAD, D]),
            ("self_attn.o_proj", vec![D, HEADS * D_HEAD]),
            ("post_attention_layernorm", vec![D]),
            ("mlp.gate_proj", vec![D_MLP, D]),
            ("mlp.up_proj", vec![D_MLP, D]),
            ("mlp.down_proj", vec![D, D_MLP]),
        ] {
            shapes.push((format!("model.layers.{layer}.{part}.weight"), shape));
        }
    }
    filled(shapes)
}

pub(super) fn gpt2_tensors() -> Named {
    let mut shapes = vec![
        ("wte.weight".to_owned(), vec![VOCAB, D]),
        ("wpe.weight".to_owned(), vec![16, D]),
        ("ln_f.weight".to_owned(), vec![D]),
        ("ln_f.bias".to_owned(), vec![D]),
    ];
    for layer in 0..LAYERS {
        for (part, shape) in [
            ("ln_1", vec![D]),
            ("attn.c_attn", vec![D, 3 * D]),
            ("attn.c_proj", vec![D, D]),
            ("ln_2", vec![D]),
            ("mlp.c_fc", vec![D, D_MLP]),
            ("mlp.c_proj", vec![D_MLP, D]),
        ] {
            let bias = vec![*shape.last().unwrap()];
            shapes.push((format!("h.{layer}.{part}.weight"), shape));
            shapes.push((format!("h.{layer}.{part}.bias"), bias));
        }
    }
    filled(shapes)
}

pub(super) fn llama_config() -> serde_json::Value {
    json!({
        "model_type": "llama", "vocab_size": VOCAB, "hidden_size": D, "intermediate_size": D_MLP,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": GROUPS,
        "hidden_act": "silu", "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "rope_scaling": null, "tie_word_embeddings": false,
    })
}

pub(super) fn gpt2_config() -> serde_json::Value {
    json!({
        "model_type": "gpt2", "vocab_size": VOCAB, "n_positions": 16, "n_embd": D, "n_layer": LAYERS,
        "n_head": HEADS, "n_inner": D_MLP, "layer_norm_epsilon": 1e-5,
    })
}

pub(super) fn bytes_of(tensors: &Named, dtype: Dtype) -> Vec<u8> {
    let data: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let encode = |value: &f32| match dtype {
                Dtype::F16 => half::f16::from_f32(*value).to_le_bytes().to_vec(),
                Dtype::BF16 => half::bf16::from_f32(*value).to_le_bytes().to_vec(),
                Dtype::F64 => f64::from(*value).to_le_bytes().to_vec(),
                Dtype::I32 => vec![0; 4],
                _ => value.to_le_bytes().to_vec(),
            };
            (name, shape, values.iter().flat_map(encode).collect())
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, (*shape).clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    serialize(views, None).unwrap()
}

/// A model folder that is removed with the test.
pub(super) struct Folder(pub(super) TempDir);

impl Folder {
    pub(super) fn new(config: &serde_json::Value, tensors: &Named) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("config.json", config.to_string().as_bytes());
        folder.write("model.safetensors", &bytes_of(tensors, Dtype::F32));
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        fs_err::write(self.path(name), bytes).unwrap();
    }

    pub(super) fn load(&self) -> Result<LoadedModel, Error> {
        load_model(".", self.0.path())
    }

    /// The text of the model error that loading ends with.
    pub(super) fn refusal(&self) -> String {
        refusal(self.load())
    }
}

pub(super) fn refusal(loaded: Result<LoadedModel, Error>) -> String {
    match loaded {
        Err(error @ Error::Model { .. }) => error.to_string(),
        Err(other) => panic!("not a model error: {other}"),
        Ok(_) => panic!("the model was accepted"),
    }
}

/// Every weight in canonical order, for comparing by bits; transposed maps are read as `[inputs, outputs]`.
pub(super) fn flat(weights: &Weights<f32>) -> Vec<u32> {
    let rows = |table: &Table<f32>| table.gather(&(0..table.len()).collect::<Vec<_>>());
    let mut all = rows(&weights.embedding);
    all.extend(weights.position.iter().flat_map(|position| position.iter()));
    for layer in 0..weights.config.n_layers {
        let block = weights.attention(layer);
        let mlp = weights.mlp(layer).expect("an MLP");
        let maps = [&block.q, &block.k, &block.v, &block.o, &mlp.up, &mlp.down];
        for map in maps.into_iter().chain(&mlp.gate) {
            let (input, output) = map.strides();
            for from in 0..map.inputs {
                all.extend((0..map.outputs).map(|to| map.weight[from * input + to * output]));
            }
            all.extend(map.bias.iter().flatten());
        }
        let own = [
            &block.query_norm,
            &block.key_norm,
            &block.post_norm,
            &mlp.post_norm,
        ];
        for norm in [&block.norm, &mlp.norm]
            .into_iter()
            .chain(own.into_iter().flatten())
        {
            all.extend(norm.gain.iter().chain(norm.bias.iter().flatten()));
        }
    }
    if let Some(map) = &weights.unembedding {
        all.extend(rows(&map.table));
        all.extend(map.bias.iter().flatten());
    }
    let norm = &weights.final_norm;
    all.extend(norm.gain.iter().chain(norm.bias.iter().flatten()));
    all.into_iter().map(f32::to_bits).collect()
}

/// A tensor as GGUF files hold it: another name, q and k interleaved, `Conv1D` transposed.
pub(super) fn to_gguf(name: &str, shape: &[usize], values: &[f32]) -> (String, Tensor) {
    let renamed = [
        ("model.layers.", "blk."),
        ("h.", "blk."),
        ("model.embed_tokens", "token_embd"),
        ("wte", "token_embd"),
        ("wpe", "position_embd"),
        ("model.norm", "output_norm"),
        ("ln_f", "output_norm"),
        ("lm_head", "output"),
        ("input_layernorm", "attn_norm"),
        ("ln_1", "attn_norm"),
        ("attn.c_attn", "attn_qkv"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("attn.c_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("ln_2", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("mlp.c_proj", "ffn_down"),
    ]
    .iter()
    .fold(name.to_owned(), |name, (from, to)| {
        match name.strip_prefix(from) {
            Some(rest) => format!("{to}{rest}"),
            None => name.replace(&format!(".{from}."), &format!(".{to}.")),
        }
    });
    let mut tensor = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
    if name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight") {
        // As the converter: [heads, 2, d_head / 2, d_model] with the middle axes swapped.
        let split = tensor.reshape(((), 2, D_HEAD / 2, D)).unwrap();
        tensor = split.transpose(1, 2).unwrap().reshape(shape).unwrap();
    }
    if name.contains(".c_") && shape.len() == 2 {
        tensor = tensor.t().unwrap().contiguous().unwrap();
    }
    (renamed, tensor)
}

pub(super) fn write_gguf(
    path: &Path,
    tensors: &Named,
    metadata: &[(String, Value)],
    matrices: GgmlDType,
) {
    let tensors: Vec<(String, QTensor)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let (name, tensor) = to_gguf(name, shape, values);
            let dtype = if shape.len() == 1 {
                GgmlDType::F32
            } else {
                matrices
            };
            (name, QTensor::quantize(&tensor, dtype).unwrap())
        })
        .collect();
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let metadata: Vec<_> = metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    let mut file = fs_err::File::create(path).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
}

pub(super) fn metadata(family: &str) -> Vec<(String, Value)> {
    let mut all = vec![(
        "general.architecture".to_owned(),
        Value::String(family.into()),
    )];
    for (key, size) in [
        ("block_count", LAYERS),
        ("context_length", 16),
        ("embedding_length", D),
        ("feed_forward_length", D_MLP),
        ("attention.head_count", HEADS),
    ] {
        all.push((format!("{family}.{key}"), Value::U32(size as u32)));
    }
    if family == "llama" {
        let groups = Value::U32(GROUPS as u32);
        all.push(("llama.attention.head_count_kv".into(), groups));
        let eps = Value::F32(1e-5);
        all.push(("llama.attention.layer_norm_rms_epsilon".into(), eps));
    }
    all
}

pub(super) fn texts(texts: &[&str]) -> Value {
    let text = |text: &&str| Value::String((*text).to_owned());
    Value::Array(texts.iter().map(text).collect())
}

/// The tokens of [`tokenizer_metadata`].
pub(super) const TOKENS: [&str; VOCAB] = [
    "<s>", "a", "b", "Ġ", "1", "2", "ab", "Ġab", "12", "<tool>", "!", "c",
];

/// Metadata of a small byte-level BPE tokenizer.
pub(super) fn tokenizer_metadata(
    pre: &str,
    adds_bos: Option<bool>,
    merges: &[&str],
) -> Vec<(String, Value)> {
    let kinds = [3, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1].map(Value::I32);
    let mut all = vec![
        ("model", Value::String("gpt2".into())),
        ("pre", Value::String(pre.into())),
        ("tokens", texts(&TOKENS)),
        ("token_type", Value::Array(kinds.to_vec())),
        ("merges", texts(merges)),
        ("bos_token_id", Value::U32(0)),
        ("eos_token_id", Value::U32(0)),
    ];
    all.extend(adds_bos.map(|adds| ("add_bos_token", Value::Bool(adds))));
    let named = all.into_iter();
    named
        .map(|(key, value)| (format!("tokenizer.ggml.{key}"), value))
        .collect()
}
