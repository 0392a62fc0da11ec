//! Tokenizers of GGUF metadata: text is cut as in llama.cpp, absent keys take its defaults, and nothing is lost or left out
//! without a word.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use secateur::events::Silent;
use secateur::model::{LoadedModel, PrependBos, Tokenizer, load_model};
use secateur::task::{LoadRequest, Prompts, TaskSource};

use super::files::{
    Folder, llama_config, llama_tensors, metadata, texts, tokenizer_metadata, write_gguf,
};

/// A model whose tokenizer's metadata is this without the `removed` keys, and with others set.
fn load(
    tokenizer: Vec<(String, Value)>,
    removed: &[&str],
    set: &[(&str, Value)],
) -> (LoadedModel, Folder) {
    let folder = Folder::new(&llama_config(), &llama_tensors());
    let mut all = tokenizer;
    let named = |key: &str| format!("tokenizer.{key}");
    all.retain(|(key, _)| {
        !removed.iter().any(|it| named(it) == *key) && !set.iter().any(|(it, _)| named(it) == *key)
    });
    all.extend(metadata("llama"));
    all.extend(set.iter().map(|(key, value)| (named(key), value.clone())));
    write_gguf(
        &folder.path("m.gguf"),
        &llama_tensors(),
        &all,
        GgmlDType::F32,
    );
    (load_model("m.gguf", folder.0.path()).unwrap(), folder)
}

fn merged(removed: &[&str], set: &[(&str, Value)]) -> LoadedModel {
    let tokenizer = tokenizer_metadata("smollm", Some(true), &["a b", "Ġ ab"]);
    load(tokenizer, removed, set).0
}

/// A vocabulary with scores that knows "a", "b" and spaces.
fn scored(removed: &[&str], set: &[(&str, Value)]) -> LoadedModel {
    let pieces = [
        "<unk>",
        "<s>",
        "</s>",
        "\u{2581}",
        "a",
        "b",
        "ab",
        "\u{2581}ab",
        "<r>",
        "x",
        "y",
        "z",
    ];
    let scores = (0..12_u8).map(|id| Value::F32(-f32::from(id))).collect();
    let kinds = [2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1].map(Value::I32);
    let all = [
        ("model", Value::String("llama".into())),
        ("tokens", texts(&pieces)),
        ("scores", Value::Array(scores)),
        ("token_type", Value::Array(kinds.to_vec())),
        ("bos_token_id", Value::U32(1)),
        ("eos_token_id", Value::U32(2)),
        ("unknown_token_id", Value::U32(0)),
    ];
    let all = all.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
    load(all.into(), removed, set).0
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, PrependBos::Auto).unwrap()
}

/// The only warning that a model came with.
fn warning(model: &LoadedModel) -> &str {
    let [warning] = &model.warnings[..] else {
        panic!("{:?}", model.warnings);
    };
    warning
}

/// What the file asks for and is not done, or not known, is said by name.
#[test]
fn metadata_of_gguf_tokenizers_is_followed_or_named() {
    let harmless = [
        ("ggml.padding_token_id", Value::U32(0)),
        ("chat_template", Value::String("{{ x }}".into())),
        ("ggml.add_eos_token", Value::Bool(false)),
        ("ggml.add_sep_token", Value::Bool(false)),
    ];
    assert_eq!(merged(&[], &harmless).warnings, [""; 0]);
    for (key, value, problem) in [
        ("ggml.add_eos_token", Value::Bool(true), "left out"),
        ("ggml.add_sep_token", Value::Bool(true), "not known"),
        ("ggml.add_space_prefix", Value::Bool(true), "not done"),
        ("ggml.normalizer", Value::String("x".into()), "not known"),
    ] {
        let model = merged(&[], &[(key, value)]);
        let warning = warning(&model);
        assert!(
            warning.contains(key) && warning.contains(problem),
            "{warning}"
        );
        let tokenizer = model.require_tokenizer().unwrap();
        assert_eq!(ids(tokenizer, "ab"), [0, 6]);
    }
}

/// The four expressions one after the other; the pieces were worked out with another engine of regular expressions.
#[test]
fn text_is_cut_by_the_default_rules_of_llama_cpp() {
    // Every piece that a rule could leave whole is a token, so that the tokens are the pieces.
    let pieces = [
        "can", "'", "t", "Ġ", "123", "4", "Ġmilk", ".", "ĠYes", "(", "no", ")",
    ];
    let letters = "cantmilkYesno'1234.()Ġ";
    let mut tokens: Vec<String> = pieces.map(String::from).to_vec();
    tokens.extend(["'t", "Ġ1234", "1234", "Ġ(", ")."].map(String::from));
    let mut merges = Vec::new();
    for token in tokens.clone() {
        let letters: Vec<char> = token.chars().collect();
        for end in 1..letters.len() {
            let start: String = letters[..end].iter().collect();
            merges.push(format!("{start} {}", letters[end]));
            tokens.push(start);
        }
    }
    tokens.extend(letters.chars().map(String::from));
    let mut unique = Vec::new();
    for token in tokens {
        if !unique.contains(&token) {
            unique.push(token);
        }
    }
    let list = |texts: &[String]| Value::Array(texts.iter().cloned().map(Value::String).collect());
    let cut = |pre: Option<&str>, text: &str| {
        let mut set = vec![
            ("ggml.tokens", list(&unique)),
            ("ggml.merges", list(&merges)),
            ("ggml.add_bos_token", Value::Bool(false)),
        ];
        set.extend(pre.map(|pre| ("ggml.pre", Value::String(pre.into()))));
        let model = merged(&["ggml.pre", "ggml.token_type"], &set);
        let tokenizer = model.require_tokenizer().unwrap();
        let ids = ids(tokenizer, text);
        let pieces: Vec<String> = ids.iter().map(|id| tokenizer.decode(&[*id])).collect();
        (pieces.join("|"), model.warnings)
    };
    let text = "can't 1234 milk. Yes (no).";
    let expected = "can|'|t| |123|4| milk|.| Yes| |(|no|).";
    assert_eq!(cut(Some("default"), text), (expected.into(), vec![]));
    let (absent, warnings) = cut(None, text);
    assert_eq!(absent, expected);
    assert!(
        warnings.len() == 1 && warnings[0].contains("tokenizer.ggml.pre is missing"),
        "{warnings:?}"
    );
    let (other, _) = cut(Some("gpt-2"), text);
    assert_eq!(other, "can|'t| 1234| milk|.| Yes| (|no|).");
}

#[test]
fn characters_without_a_piece_are_unknown_and_never_lost() {
    const UNK: &str = "ggml.unknown_token_id";
    let known = scored(&[], &[]);
    assert_eq!(known.warnings, [""; 0]);
    let absent = scored(&[UNK], &[]);
    assert!(warning(&absent).contains("tokenizer.ggml.unknown_token_id is missing: token 0"));
    let outside = scored(&[], &[(UNK, Value::U32(99))]);
    let text = "tokenizer.ggml.unknown_token_id names token 99 of 12: token 0";
    assert!(warning(&outside).contains(text), "{:?}", outside.warnings);
    for model in [known, absent, outside] {
        let tokenizer = model.require_tokenizer().unwrap();
        assert_eq!(ids(tokenizer, "abé ab"), [1, 7, 0, 7]);
        assert_eq!(tokenizer.unknown_in("abé"), Some("é".into()));
    }
}

#[test]
fn tokens_at_the_ends_that_are_not_named_are_those_of_llama_cpp() {
    for (key, scored_token, merged_token) in
        [("ggml.bos_token_id", 1, 11), ("ggml.eos_token_id", 2, 11)]
    {
        let large = [(key, Value::U32(9999))];
        for (model, problem, expected) in [
            (scored(&[key], &[]), "is missing", scored_token),
            (scored(&[], &large), "names token 9999 of 12", scored_token),
            (merged(&[key], &[]), "is missing", merged_token),
            (merged(&[], &large), "names token 9999 of 12", merged_token),
        ] {
            let text = format!("metadata key tokenizer.{key} {problem}: token {expected} (");
            assert!(warning(&model).contains(&text), "{:?}", model.warnings);
            let tokenizer = model.require_tokenizer().unwrap();
            let begins = ids(tokenizer, "ab")[0];
            let found = if key.contains("bos") {
                Some(begins)
            } else {
                tokenizer.eos()
            };
            assert_eq!(found, Some(expected));
        }
    }
}

/// Keys of another type are no absent keys.
#[test]
fn metadata_of_another_type_makes_the_tokenizer_unusable() {
    let list = |value: &Value| Value::Array(vec![value.clone(); 12]);
    let whole = Value::U32(0);
    let switch = "is not true or false, but the whole number 0";
    let text = Value::String("1".into());
    let refused = [
        ("ggml.add_bos_token", whole.clone(), switch),
        ("ggml.add_eos_token", whole.clone(), switch),
        ("ggml.add_space_prefix", whole.clone(), switch),
        ("ggml.remove_extra_whitespaces", whole.clone(), switch),
        ("ggml.bos_token_id", text.clone(), "but a text"),
        (
            "ggml.bos_token_id",
            Value::I32(-1),
            "but the whole number -1",
        ),
        ("ggml.eos_token_id", text.clone(), "but a text"),
        ("ggml.tokens", list(&whole), "but a list of whole numbers"),
        ("ggml.tokens", text.clone(), "but a text"),
        (
            "ggml.token_type",
            list(&Value::F32(1.0)),
            "but a list of decimals",
        ),
        (
            "ggml.token_type",
            Value::Array(vec![Value::I32(1); 3]),
            "has 3 entries for 12 tokens",
        ),
        ("ggml.model", whole.clone(), "is not a text"),
    ];
    let unusable = |model: &LoadedModel, key: &str, problem: &str| {
        let error = model.require_tokenizer().unwrap_err().to_string();
        let key = format!("metadata key tokenizer.{key}");
        assert!(error.contains(&key) && error.contains(problem), "{error}");
        assert!(warning(model).contains(&key), "{:?}", model.warnings);
    };
    for (key, value, problem) in &refused {
        for model in [scored, merged] {
            unusable(&model(&[], &[(key, value.clone())]), key, problem);
        }
    }
    for (key, value, problem) in [
        ("ggml.pre", whole.clone(), "is not a text"),
        ("ggml.merges", whole.clone(), "is not a list of texts"),
    ] {
        unusable(&merged(&[], &[(key, value)]), key, problem);
    }
    for (key, value, problem) in [
        ("ggml.unknown_token_id", text, "but a text"),
        ("ggml.scores", list(&whole), "is not a list of decimals"),
        (
            "ggml.scores",
            list(&Value::F32(f32::NAN)),
            "token 0 (\"<unk>\") is NaN",
        ),
        (
            "ggml.scores",
            list(&Value::F32(f32::NEG_INFINITY)),
            "is -inf",
        ),
        (
            "ggml.scores",
            Value::Array(vec![Value::F32(0.0)]),
            "has 1 entries",
        ),
    ] {
        unusable(&scored(&[], &[(key, value)]), key, problem);
    }
}

/// A vocabulary without all bytes and without a token for unknown ones: the library would drop what is missing.
#[test]
fn characters_without_a_token_are_not_lost_without_a_word() {
    let model = merged(&[], &[]);
    let tokenizer = model.require_tokenizer().unwrap();
    assert_eq!(tokenizer.unknown_in("ab ab"), None);
    assert_eq!(ids(tokenizer, "ab\u{e9}"), ids(tokenizer, "ab"));
    assert_eq!(
        tokenizer.unknown_in("ab ab\u{e9} ab"),
        Some("ab\u{e9}".into())
    );
    let part = |text: &str| tokenizer.encode_part(text, true).unwrap().unknown;
    assert_eq!((part("ab ab"), part("ab \u{e9} \u{e9}")), (0, 2));
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    let row = r#"{"clean": "ab", "corrupt": "a\u00e9", "answer": ["a"], "wrong": ["b"]}"#;
    fs_err::write(rows, row).unwrap();
    let loaded = TaskSource::File("rows.jsonl".into()).load(&LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Never,
        prompts: Prompts::Sets,
        base: folder.path(),
        observer: &Silent,
    });
    let problem = loaded.unwrap_err().to_string();
    assert!(problem.contains("`corrupt` has \"a\u{e9}\""), "{problem}");
}

#[test]
fn a_token_that_is_listed_twice_is_told() {
    let tokenizer = tokenizer_metadata("smollm", Some(true), &["a b", "Ġ ab"]);
    let mut tokens = tokenizer
        .iter()
        .find(|(key, _)| key.ends_with("ggml.tokens"))
        .map(|(_, tokens)| tokens.to_vec().unwrap().clone())
        .unwrap();
    let last = tokens.len() - 1;
    tokens[last] = tokens[last - 1].clone();
    let model = merged(&[], &[("ggml.tokens", Value::Array(tokens))]);
    let said = warning(&model);
    let places = format!("as token {} and as token {last}", last - 1);
    assert!(said.contains(&places), "{said}");
}
