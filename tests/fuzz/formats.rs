//! The formats: files to begin with, and what the program does with a file.

use std::path::Path;
use std::sync::LazyLock;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use secateur::analyze::sae::load_dictionary;
use secateur::events::Silent;
use secateur::model::{LoadedModel, PrependBos, load_model, read_header};
use secateur::parity::Golden;
use secateur::report::{
    AnyCircuit, CircuitFile, FigureOptions, ShowLook, ShowOptions, Style, Theme, circuit_tree,
    compare_csv, compare_html, compare_latex, compare_markdown, compare_text, curve_svg, exporter,
    growth_svg, heads_svg, numbers_tex, outlined, parse_bench, parse_roles, recoloured, scores_svg,
    show_text, to_dot, to_pdf, to_png, to_svg, to_tikz,
};
use secateur::run::{RunRecord, read_circuit_text, read_paper_results, read_results};
use secateur::spec::{Spec, check_any_spec};
use secateur::task::{LoadRequest, PromptSets, Prompts, Relation, TaskSource};

use crate::mutate::Kind;

/// A format and what is done with its files. Errors are expected; panics, aborts and endless work are not.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Reads the file; other files may be put into the folder.
    pub(crate) read: fn(&[u8], &Path),
}

macro_rules! entry {
    ($name:literal, $kind:ident, $seeds:expr, $read:expr) => {
        Format {
            name: $name,
            kind: Kind::$kind,
            seeds: || $seeds,
            read: $read,
        }
    };
}

pub(crate) static FORMATS: &[Format] = &[
    entry!(
        "spec",
        Text,
        files(
            &[
                "circuits/tasks",
                "circuits/analyses",
                "circuits/gallery/specs"
            ],
            "ron"
        ),
        spec
    ),
    entry!(
        "circuit",
        Text,
        files(&["circuits/gallery/results"], "ron"),
        |bytes, _| circuit(bytes, "circuit.ron")
    ),
    entry!("features", Text, vec![FEATURES.into()], |bytes, _| circuit(
        bytes,
        "features.ron"
    )),
    entry!("eap-json", Text, vec![eap_json()], |bytes, _| circuit(
        bytes,
        "circuit.json"
    )),
    entry!("rows-jsonl", Text, texts(ROWS), |bytes, folder| rows(
        bytes,
        folder,
        "rows.jsonl"
    )),
    entry!("rows-csv", Text, texts(TABLES), |bytes, folder| rows(
        bytes, folder, "rows.csv"
    )),
    entry!(
        "rows-json",
        Text,
        texts(PROMPT_FILES),
        |bytes, folder| rows(bytes, folder, "rows.json")
    ),
    entry!("tokens", Text, texts(TOKENS), tokens),
    entry!("prompt-sets", Text, texts(ROWS), prompt_sets),
    entry!(
        "relation",
        Text,
        files(&["circuits/analyses/data/relations"], "json"),
        relation
    ),
    entry!(
        "config",
        Text,
        vec![
            toy("toy-gpt2", "config.json"),
            toy("toy-llama", "config.json"),
            fixture("tiny-neox/config.json")
        ],
        config
    ),
    entry!(
        "tokenizer",
        Text,
        vec![toy("toy-gpt2", "tokenizer.json")],
        tokenizer
    ),
    entry!(
        "tokenizer-config",
        Text,
        texts(TOKENIZER_CONFIGS),
        tokenizer_config
    ),
    entry!(
        "safetensors",
        Safetensors,
        vec![toy("toy-llama", "model.safetensors")],
        safetensors
    ),
    entry!("safetensors-index", Text, vec![index()], safetensors_index),
    entry!("gguf", Binary, vec![gguf()], gguf_model),
    entry!("sae-config", Text, saes(), sae_config),
    entry!(
        "sae-weights",
        Safetensors,
        vec![fixture("sae/standard/sae_weights.safetensors")],
        sae_weights
    ),
    entry!("vector", Safetensors, vec![vector()], vector_file),
    entry!("golden", Safetensors, vec![golden()], |bytes, _| drop(
        Golden::parse("golden.safetensors", bytes)
    )),
    entry!("roles", Text, texts(ROLES), |bytes, _| drop(parse_roles(
        &String::from_utf8_lossy(bytes),
        "roles.json"
    ))),
    entry!("run-record", Text, texts(RECORDS), run_record),
    entry!(
        "report",
        Text,
        files(&["circuits/gallery/results/eap-ig"], "json"),
        report
    ),
    entry!("growth", Text, texts(GROWTH), growth),
    entry!(
        "svg",
        Text,
        files(&["circuits/gallery/results"], "svg"),
        svg
    ),
];

const FEATURES: &str = include_str!("seeds/features.ron");
const ROWS: &[&str] = &[
    "{\"clean\": \"the cat ran\", \"corrupt\": \"the dog ran\", \"answer\": [\" to\"], \"wrong\": [\" in\"]}\n",
    "{\"clean\": [1, 2, 3], \"corrupt\": [1, 4, 3], \"answer\": [5], \"wrong\": [6], \"at\": 1, \"spans\": {\"S\": [0, 1]}}\n",
    "{\"prompt\": \"the cat\", \"choices\": [\" a\", \" b\"], \"answerKey\": 0, \"random_names_counterfactual\": {\"prompt\": \"the dog\"}}\n",
    "plain text\nof two lines\n",
];
const TABLES: &[&str] = &[
    "clean,corrupted,correct_idx,incorrect_idx\nthe cat,the dog,5,6\n",
    "clean,corrupted,country_idx,corrupted_country_idx\n\"the, cat\",the dog,[5],\"[6, 7]\"\n",
];
const PROMPT_FILES: &[&str] = &[
    "{\"word_idxs\": {}, \"prompts\": [{\"clean\": \"the cat\", \"corrupt\": \"the dog\", \"answers\": [\" a\"], \"wrong_answers\": [\" b\"]}]}",
];
const TOKENS: &[&str] = &[
    "{\"clean\": [1, 2, 3], \"corrupt\": [1, 4, 3], \"answer\": [3], \"wrong\": [4]}\n{\"clean\": [1, 2], \"corrupt\": [1, 4], \"answer\": [3], \"wrong\": [4], \"at\": 0}\n",
];
const TOKENIZER_CONFIGS: &[&str] = &[
    "{\"add_bos_token\": true, \"bos_token\": \"<s>\", \"added_tokens_decoder\": {\"0\": {\"content\": \"<s>\", \"special\": true, \"lstrip\": false, \"rstrip\": false, \"single_word\": false, \"normalized\": false}}, \"add_prefix_space\": true, \"tokenizer_class\": \"LlamaTokenizerFast\", \"model_max_length\": 1000000000000000019884624838656}",
];
const ROLES: &[&str] = &[
    "{\"a5.h1\": \"induction\", \"a0.h0\": \"previous token\"}",
    "{\"format\": 1, \"model\": \"m\", \"model_hash\": \"0\", \"roles\": {\"a0.h1\": [\"induction\"]}}",
];
const RECORDS: &[&str] = &[include_str!("seeds/run.json")];
const GROWTH: &[&str] = &[include_str!("seeds/growth.jsonl")];

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn toy(model: &str, file: &str) -> Vec<u8> {
    fs_err::read(root().join("circuits/models").join(model).join(file)).unwrap()
}

fn fixture(file: &str) -> Vec<u8> {
    fs_err::read(root().join("tests/fixtures").join(file)).unwrap()
}

/// All files of a kind below some folders, in order, none larger than 200 kB.
fn files(folders: &[&str], extension: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut left: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs_err::read_dir(path).unwrap();
            left.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    let contents = found.into_iter().map(|path| fs_err::read(path).unwrap());
    contents.filter(|bytes| bytes.len() < 200_000).collect()
}

fn small_circuit() -> CircuitFile {
    let path = root().join("circuits/gallery/results/eap-ig/circuit.ron");
    CircuitFile::from_ron(&read_circuit_text(&path).unwrap(), "circuit.ron").unwrap()
}

fn eap_json() -> Vec<u8> {
    let file = small_circuit();
    let (graph, circuit) = file.circuit().unwrap();
    let text = secateur::report::to_eap_json(&graph, &circuit, &file.model.config);
    text.unwrap().into_bytes()
}

fn saes() -> Vec<Vec<u8>> {
    [
        "standard",
        "topk",
        "jumprelu",
        "gated",
        "batchtopk",
        "flat",
        "secateur-topk",
    ]
    .map(|name| fixture(&format!("sae/{name}/cfg.json")))
    .into()
}

fn index() -> Vec<u8> {
    let names = ["model.embed_tokens.weight", "model.norm.weight"];
    let map: Vec<String> = names
        .iter()
        .map(|name| format!("\"{name}\": \"model.safetensors\""))
        .collect();
    format!(
        "{{\"metadata\": {{\"total_size\": 1000}}, \"weight_map\": {{{}}}}}",
        map.join(", ")
    )
    .into_bytes()
}

/// A whole small Llama with a tokenizer.
fn gguf() -> Vec<u8> {
    let text = |text: &str| Value::String(text.into());
    let count = Value::U32;
    let tokens = ["<s>", "a", "b", "Ġ", "ab", "Ġab", "c", "d"];
    let metadata = [
        ("general.architecture", text("llama")),
        ("llama.block_count", count(1)),
        ("llama.context_length", count(16)),
        ("llama.embedding_length", count(32)),
        ("llama.feed_forward_length", count(32)),
        ("llama.attention.head_count", count(4)),
        ("llama.attention.head_count_kv", count(2)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        (
            "tokenizer.ggml.tokens",
            Value::Array(tokens.map(text).into()),
        ),
        (
            "tokenizer.ggml.token_type",
            Value::Array([3, 1, 1, 1, 1, 1, 1, 1].map(Value::I32).into()),
        ),
        (
            "tokenizer.ggml.merges",
            Value::Array(["a b", "Ġ ab"].map(text).into()),
        ),
        ("tokenizer.ggml.bos_token_id", count(0)),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let shapes: [(&str, &[usize]); 11] = [
        ("token_embd.weight", &[8, 32]),
        ("output_norm.weight", &[32]),
        ("blk.0.attn_norm.weight", &[32]),
        ("blk.0.ffn_norm.weight", &[32]),
        ("blk.0.attn_q.weight", &[32, 32]),
        ("blk.0.attn_k.weight", &[16, 32]),
        ("blk.0.attn_v.weight", &[16, 32]),
        ("blk.0.attn_output.weight", &[32, 32]),
        ("blk.0.ffn_gate.weight", &[32, 32]),
        ("blk.0.ffn_up.weight", &[32, 32]),
        ("blk.0.ffn_down.weight", &[32, 32]),
    ];
    let tensors = shapes.map(|(name, shape)| {
        let values = (0..shape.iter().product()).map(|at: usize| (at % 7) as f32 / 8.0);
        let tensor = Tensor::from_vec(values.collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap();
        let dtype = if shape.len() == 1 {
            GgmlDType::F32
        } else {
            GgmlDType::Q8_0
        };
        (name, QTensor::quantize(&tensor, dtype).unwrap())
    });
    let tensors: Vec<(&str, &QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    let mut file = std::io::Cursor::new(Vec::new());
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    file.into_inner()
}

/// Tensors of single precision as a safetensors file.
fn tensors(metadata: &[(&str, &str)], tensors: &[(&str, Vec<usize>)]) -> Vec<u8> {
    let zeros = vec![0_u8; 1 << 16];
    let views = tensors.iter().map(|(name, shape)| {
        let bytes = &zeros[..4 * shape.iter().product::<usize>()];
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (*name, view.unwrap())
    });
    let metadata = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    safetensors::serialize(views, Some(metadata.collect())).unwrap()
}

fn vector() -> Vec<u8> {
    let metadata = [
        ("format", "secateur-vector-1"),
        ("layer", "1"),
        ("strength", "2"),
        ("model", "toy-llama"),
    ];
    tensors(&metadata, &[("vector", vec![64])])
}

fn golden() -> Vec<u8> {
    let parts = [
        ("tokens", vec![2, 3]),
        ("attention_mask", vec![2, 3]),
        ("logits", vec![2, 3, 8]),
        ("resid.0", vec![2, 3, 4]),
    ];
    tensors(&[], &parts)
}

/// A model to read rows and vectors for.
static MODEL: LazyLock<LoadedModel> =
    LazyLock::new(|| load_model("builtin:toy-gpt2", Path::new(".")).unwrap());

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs_err::write(folder.join(name), bytes).unwrap();
}

fn spec(bytes: &[u8], folder: &Path) {
    // Results of some seeds are read where they are.
    let path = root().join("circuits/tasks/builtin/spec.ron");
    for path in [path, folder.join("spec.ron")] {
        match check_any_spec(bytes, &path) {
            Ok(Spec::Circuit(spec)) => drop(spec.hash()),
            Ok(Spec::Analysis(spec)) => drop(spec.hash()),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// Reads a circuit of any format and draws it in all ways.
fn circuit(bytes: &[u8], name: &str) {
    let Ok(read) = AnyCircuit::parse(&String::from_utf8_lossy(bytes), name) else {
        return;
    };
    let file = match read {
        AnyCircuit::Features(file) => {
            let svg = file.figure(Style::default()).map(|figure| {
                drop(to_dot(&figure));
                to_svg(&figure)
            });
            drop(svg.and_then(|svg| to_pdf(&svg, name)));
            return;
        }
        AnyCircuit::Own(file) => *file,
        AnyCircuit::Eap(graph) => match graph.drawing() {
            Ok((file, _)) => file,
            Err(_) => return,
        },
    };
    for format in ["dot", "svg", "html", "tikz"] {
        drop(exporter(format).and_then(|it| it.export(&file, &FigureOptions::default())));
    }
    let options = ShowOptions { depth: 4, top: 6 };
    let look = ShowLook {
        columns: 80,
        coloured: true,
    };
    drop(circuit_tree(&file, options).map(|tree| show_text(&file, &tree, look)));
    drop(file.to_ron());
}

fn load(task: &TaskSource, folder: &Path) {
    for prompts in [Prompts::Pairs, Prompts::Sets] {
        let request = LoadRequest {
            tokenizer: MODEL.tokenizer.as_ref(),
            config: MODEL.config(),
            prepend_bos: PrependBos::Auto,
            prompts,
            base: folder,
            observer: &Silent,
        };
        drop(task.load(&request).map(|dataset| dataset.split(0.5)));
    }
}

fn rows(bytes: &[u8], folder: &Path, name: &str) {
    put(folder, name, bytes);
    load(&TaskSource::File(name.into()), folder);
}

fn tokens(bytes: &[u8], folder: &Path) {
    put(folder, "tokens.jsonl", bytes);
    load(&TaskSource::Tokens("tokens.jsonl".into()), folder);
}

fn prompt_sets(bytes: &[u8], folder: &Path) {
    for name in ["set.jsonl", "set.txt"] {
        put(folder, name, bytes);
        let sets = PromptSets {
            behaviour: name.into(),
            other: name.into(),
            answer: vec![],
            wrong: vec![],
        };
        let request = LoadRequest {
            tokenizer: MODEL.tokenizer.as_ref(),
            config: MODEL.config(),
            prepend_bos: PrependBos::Auto,
            prompts: Prompts::Sets,
            base: folder,
            observer: &Silent,
        };
        drop(sets.load(&request));
    }
}

fn relation(bytes: &[u8], folder: &Path) {
    put(folder, "relation.json", bytes);
    if let Ok(relation) = Relation::read(&folder.join("relation.json")) {
        drop(relation.split(0.5, 3, 0));
    }
}

/// Opens the model in a folder, and reads a text with it.
fn model(reference: &str, folder: &Path) {
    drop(read_header(reference, folder));
    if let Ok(model) = load_model(reference, folder)
        && let Some(tokenizer) = &model.tokenizer
    {
        for text in ["the cat's 12 ab\n<s> é🙂", "", " "] {
            if let Ok(ids) = tokenizer.encode(text, PrependBos::Auto) {
                drop(tokenizer.decode(&ids));
            }
        }
    }
}

/// A folder with a whole toy model.
fn toy_folder(folder: &Path, name: &str) {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        put(folder, file, &toy(name, file));
    }
}

fn config(bytes: &[u8], folder: &Path) {
    toy_folder(folder, "toy-gpt2");
    put(folder, "config.json", bytes);
    model(".", folder);
}

fn tokenizer(bytes: &[u8], folder: &Path) {
    toy_folder(folder, "toy-gpt2");
    put(folder, "tokenizer.json", bytes);
    model(".", folder);
}

fn tokenizer_config(bytes: &[u8], folder: &Path) {
    toy_folder(folder, "toy-llama");
    put(folder, "tokenizer_config.json", bytes);
    model(".", folder);
}

fn safetensors(bytes: &[u8], folder: &Path) {
    toy_folder(folder, "toy-llama");
    put(folder, "model.safetensors", bytes);
    model(".", folder);
}

fn safetensors_index(bytes: &[u8], folder: &Path) {
    toy_folder(folder, "toy-llama");
    put(folder, "model.safetensors.index.json", bytes);
    model(".", folder);
}

fn gguf_model(bytes: &[u8], folder: &Path) {
    put(folder, "model.gguf", bytes);
    model("model.gguf", folder);
}

fn sae_config(bytes: &[u8], folder: &Path) {
    put(folder, "cfg.json", bytes);
    put(
        folder,
        "sae_weights.safetensors",
        &fixture("sae/standard/sae_weights.safetensors"),
    );
    drop(load_dictionary(folder));
}

fn sae_weights(bytes: &[u8], folder: &Path) {
    put(folder, "cfg.json", &fixture("sae/standard/cfg.json"));
    put(folder, "sae_weights.safetensors", bytes);
    drop(load_dictionary(folder));
}

fn vector_file(bytes: &[u8], folder: &Path) {
    put(folder, "vector.safetensors", bytes);
    for reference in ["", "@0:1", "@2:1e308"] {
        let reference = format!("builtin:toy-llama + vector.safetensors{reference}");
        drop(load_model(&reference, folder));
    }
}

fn run_record(bytes: &[u8], folder: &Path) {
    put(folder, "run.json", bytes);
    drop(RunRecord::read(folder));
}

/// A report with its circuit, compared and drawn for a paper.
fn report(bytes: &[u8], folder: &Path) {
    let own = root().join("circuits/gallery/results/eap-ig");
    for name in ["circuit.ron", "edges.csv"] {
        put(folder, name, &fs_err::read(own.join(name)).unwrap());
    }
    put(folder, "report.json", bytes);
    let folders = [folder.to_owned()];
    if let Ok(rows) = read_results(&folders) {
        drop((
            compare_text(&rows, 80),
            compare_csv(&rows),
            compare_markdown(&rows),
        ));
        drop((compare_latex(&rows), compare_html(&rows)));
    }
    if let Ok(results) = read_paper_results(&folders) {
        drop(numbers_tex(&results));
        drop((curve_svg(&results), scores_svg(&results)));
        drop(results.iter().map(heads_svg).collect::<Vec<_>>());
    }
}

fn growth(bytes: &[u8], _: &Path) {
    let records = parse_bench(&String::from_utf8_lossy(bytes), "growth.jsonl");
    if let Ok(svg) = records.and_then(|records| growth_svg(&records, "growth.jsonl")) {
        to_pdf(&svg, "growth").expect("our own drawing can be converted");
    }
}

fn svg(bytes: &[u8], _: &Path) {
    let text = String::from_utf8_lossy(bytes);
    drop(to_png(&text, "a.svg", Some(64)));
    drop(to_pdf(&text, "a.svg"));
    drop(to_tikz(&text, "a.svg"));
    drop(outlined(&text, "a.svg"));
    drop(recoloured(&text, Theme::Dark, "a.svg"));
}
