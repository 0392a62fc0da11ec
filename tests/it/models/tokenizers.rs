//! Tokenizers of folders give the tokens of transformers, and files that the library does not survive are refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use secateur::model::{LoadedModel, PrependBos, Tokenizer, load_model};
use serde_json::{Value, json};
use tempfile::TempDir;

const TEXT: &str = "The cats gave milk to Mary";

/// A copy of a folder of the fixtures.
struct Copy(TempDir);

impl Copy {
    fn of(case: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
        // Any weights do, for what is only about text.
        for (from, file) in [
            (case, "config.json"),
            (case, "tokenizer.json"),
            (case, "tokenizer_config.json"),
            ("tok-plain", "model.safetensors"),
        ] {
            let bytes = fs_err::read(fixtures.join(from).join(file)).unwrap();
            fs_err::write(folder.path().join(file), bytes).unwrap();
        }
        if case != "tok-plain" {
            let config = fs_err::read(fixtures.join("tok-plain/config.json")).unwrap();
            fs_err::write(folder.path().join("config.json"), config).unwrap();
        }
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Changes a JSON file.
    fn with(self, file: &str, change: impl FnOnce(&mut Value)) -> Self {
        let path = self.path(file);
        let text = fs_err::read(&path).unwrap_or_else(|_| b"{}".to_vec());
        let mut value = serde_json::from_slice(&text).unwrap();
        change(&mut value);
        fs_err::write(path, value.to_string()).unwrap();
        self
    }

    fn tokenizer(self, key: &str, value: Value) -> Self {
        self.with("tokenizer.json", |file| file[key] = value)
    }

    fn config(self, key: &str, value: Value) -> Self {
        self.with("tokenizer_config.json", |file| file[key] = value)
    }

    fn load(&self) -> LoadedModel {
        load_model(".", self.0.path()).unwrap()
    }

    /// The tokens of a text, and the warnings.
    fn tokens(&self, text: &str) -> (Vec<u32>, String) {
        let model = self.load();
        (
            ids(model.require_tokenizer().unwrap(), text),
            model.warnings.join("\n"),
        )
    }

    /// Why there is no tokenizer.
    fn reason(&self) -> String {
        self.load().no_tokenizer.unwrap()
    }
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, PrependBos::Auto).unwrap()
}

fn template(pieces: &[&str]) -> Value {
    let piece = |piece: &&str| match *piece {
        "A" => json!({"Sequence": {"id": "A", "type_id": 0}}),
        special => json!({"SpecialToken": {"id": special, "type_id": 0}}),
    };
    let pair = [piece(&"A"), json!({"Sequence": {"id": "B", "type_id": 0}})];
    json!({
        "type": "TemplateProcessing",
        "single": pieces.iter().map(piece).collect::<Vec<_>>(),
        "pair": pair,
        "special_tokens": {
            "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
            "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]},
        },
    })
}

#[test]
fn what_concerns_batches_and_training_changes_no_prompt() {
    let expected = vec![0, 84, 45, 61, 81, 63, 53];
    let plain = || Copy::of("tok-plain");
    assert_eq!(plain().tokens(TEXT), (expected.clone(), String::new()));
    let truncation =
        json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
    let padding = |fixed: u64| {
        json!({"strategy": {"Fixed": fixed}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 2,
            "pad_type_id": 0, "pad_token": "<pad>"})
    };
    for changed in [
        plain().tokenizer("truncation", truncation),
        plain().tokenizer("padding", padding(12)),
        plain().tokenizer("padding", padding(1_000_000_000_000)),
        plain().with("tokenizer.json", |file| {
            file["model"]["dropout"] = json!(0.9);
        }),
    ] {
        assert_eq!(changed.tokens(TEXT), (expected.clone(), String::new()));
    }
    let nfkc = plain().tokenizer("normalizer", json!({"type": "NFKC"}));
    assert_eq!(nfkc.tokens("\u{fb01}").0, nfkc.tokens("fi").0);
}

#[test]
fn a_token_behind_the_text_is_left_out_and_never_put_in_front() {
    let folder = Copy::of("tok-plain")
        .tokenizer("post_processor", template(&["A", "</s>"]))
        .config("bos_token", Value::Null)
        .with("config.json", |file| file["bos_token_id"] = json!(1));
    let (tokens, warnings) = folder.tokens(TEXT);
    assert_eq!(tokens, [84, 45, 61, 81, 63, 53]);
    assert!(
        warnings.contains("\"</s>\" (token 1) after each text; it is left out"),
        "{warnings}"
    );
    let both = Copy::of("tok-plain").tokenizer("post_processor", template(&["<s>", "A", "</s>"]));
    assert_eq!(both.tokens(TEXT).0, [0, 84, 45, 61, 81, 63, 53]);
    // Two tokens in front, as some chat models have.
    let two = Copy::of("tok-plain").tokenizer("post_processor", template(&["</s>", "<s>", "A"]));
    assert_eq!(two.tokens(TEXT).0[..3], [1, 0, 84]);
}

#[test]
fn where_the_two_files_differ_the_class_decides_and_a_warning_says_so() {
    let folder = |class: &str, adds: bool, template: Value| {
        Copy::of("tok-plain")
            .config("tokenizer_class", class.into())
            .config("add_bos_token", adds.into())
            .tokenizer("post_processor", template)
    };
    let (with, without) = (|| template(&["<s>", "A"]), || template(&["A"]));
    for (class, follows) in [
        ("LlamaTokenizer", true),
        ("LlamaTokenizerFast", true),
        ("GemmaTokenizer", true),
        ("GemmaTokenizerFast", true),
        ("PreTrainedTokenizerFast", false),
        ("GPT2TokenizerFast", false),
        ("Qwen2Tokenizer", false),
    ] {
        for (adds, template, has) in [(false, with(), true), (true, without(), false)] {
            let (tokens, warnings) = folder(class, adds, template).tokens(TEXT);
            let expected = if follows { adds } else { has };
            assert_eq!(tokens[0] == 0, expected, "{class} {adds}");
            let taken = if follows {
                "tokenizer_config.json is taken"
            } else {
                "tokenizer.json is taken"
            };
            assert!(
                warnings.contains(taken) && warnings.contains("add_bos_token"),
                "{class}: {warnings}"
            );
        }
        for (adds, template) in [(true, with()), (false, without())] {
            let (tokens, warnings) = folder(class, adds, template).tokens(TEXT);
            assert_eq!(
                (tokens[0] == 0, warnings),
                (adds, String::new()),
                "{class} {adds}"
            );
        }
    }
}

#[test]
fn tokens_that_stand_beside_the_file_are_known() {
    let token = json!({"content": "<x>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true});
    let text = "The <x> cat";
    assert_eq!(Copy::of("tok-plain").tokens(text).0, [0, 84, 38, 36, 44]);
    let expected = [0, 84, 38, 87, 44];
    let decoder = Copy::of("tok-plain").config("added_tokens_decoder", json!({"87": token}));
    assert_eq!(decoder.tokens(text), (expected.to_vec(), String::new()));
    let list = Copy::of("tok-plain").config("additional_special_tokens", json!(["<x>"]));
    assert_eq!(list.tokens(text).0, expected);
    let older = Copy::of("tok-plain").with("added_tokens.json", |file| file["<x>"] = json!(87));
    assert_eq!(older.tokens(text).0, expected);
    let special = |file: &mut Value| file["additional_special_tokens"] = json!([token]);
    let special = Copy::of("tok-plain").with("special_tokens_map.json", special);
    assert_eq!(special.tokens(text).0, expected);
    let elsewhere = Copy::of("tok-plain").config("added_tokens_decoder", json!({"90": token}));
    let (tokens, warnings) = elsewhere.tokens(text);
    assert_eq!(tokens, expected);
    assert!(warnings.contains("has the id 90"), "{warnings}");
}

#[test]
fn the_space_in_front_follows_the_class() {
    let folder = |class: &str, said: Value, has: bool| {
        Copy::of("tok-plain")
            .config("tokenizer_class", class.into())
            .config("add_prefix_space", said)
            .with("tokenizer.json", |file| {
                file["pre_tokenizer"]["add_prefix_space"] = has.into();
            })
    };
    let (with, without) = ([0, 44, 1, 44], [0, 86, 1, 86]);
    for (class, said, has, expected, warns) in [
        ("GPT2Tokenizer", json!(true), false, with, true),
        ("GPT2TokenizerFast", json!(false), true, without, true),
        ("GPT2TokenizerFast", Value::Null, true, without, true),
        ("Qwen2TokenizerFast", json!(true), false, with, true),
        ("PreTrainedTokenizerFast", json!(true), false, without, true),
        ("PreTrainedTokenizerFast", Value::Null, true, with, false),
        ("LlamaTokenizerFast", json!(false), true, with, true),
    ] {
        let (tokens, warnings) = folder(class, said.clone(), has).tokens("cat</s>cat");
        assert_eq!(tokens, expected, "{class} {said} {has}");
        assert_eq!(
            warnings.contains("add_prefix_space"),
            warns,
            "{class} {said} {has}: {warnings}"
        );
    }
    let pieces = Copy::of("tok-llama2");
    assert_eq!(pieces.tokens("cat</s>cat").0, [1, 300, 2, 300]);
    let none = Copy::of("tok-llama2").config("add_prefix_space", json!(false));
    assert_eq!(
        none.tokens("cat</s>cat").0,
        [1, 277, 276, 290, 2, 277, 276, 290]
    );
}

#[test]
fn text_behind_other_text_gets_no_space_of_its_own() {
    let model = Copy::of("tok-llama2").load();
    let tokenizer = model.require_tokenizer().unwrap();
    assert_eq!(
        ids(tokenizer, "The cat</s>The dog"),
        [1, 297, 300, 2, 297, 304]
    );
    assert_eq!(tokenizer.single_token(" Mary"), Some(309));
    let whole = tokenizer
        .encode("The cat gave milk", PrependBos::Never)
        .unwrap();
    let first = tokenizer.encode_part("The cat", true).unwrap().tokens;
    let rest = tokenizer.encode_part(" gave milk", false).unwrap().tokens;
    assert_eq!([first, rest].concat(), whole);
}

#[test]
fn a_tokenizer_that_cannot_be_used_leaves_token_ids() {
    for (broken, problem) in [
        (
            json!({"type": "NewKindOfPreTokenizer"}),
            "did not match any variant",
        ),
        (json!({"type": "FixedLength", "length": 0}), "FixedLength"),
        (
            json!({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": false}),
            "",
        ),
    ] {
        let folder = Copy::of("tok-plain").tokenizer("pre_tokenizer", broken);
        let model = folder.load();
        assert!(folder.reason().contains(problem), "{}", folder.reason());
        assert!(model.warnings[0].contains("results show token ids"));
        let error = model.require_tokenizer().unwrap_err();
        assert!(error.to_string().contains("tokenizer.json") && error.exit_code() == 3);
        assert_eq!(
            secateur::setting::last_logits(&model, &[vec![17, 4]])
                .unwrap()
                .len(),
            1
        );
    }
    let folder = Copy::of("tok-plain");
    let whole = fs_err::read(folder.path("tokenizer.json")).unwrap();
    for length in [0, 1, 160, whole.len() / 2, whole.len() - 3] {
        fs_err::write(folder.path("tokenizer.json"), &whole[..length]).unwrap();
        assert!(
            folder.reason().contains("not a tokenizer"),
            "{}",
            folder.reason()
        );
    }
    fs_err::write(
        folder.path("tokenizer.json"),
        [b"\xef\xbb\xbf", &whole[..]].concat(),
    )
    .unwrap();
    assert_eq!(folder.tokens(TEXT).0[0], 0);
    fs_err::write(
        folder.path("tokenizer_config.json"),
        r#"{"add_bos_token": true, "add_bos_token": false}"#,
    )
    .unwrap();
    assert!(
        folder.reason().contains("\"add_bos_token\" is there twice"),
        "{}",
        folder.reason()
    );
}

/// Patterns that try all ways to match end within moments, with an error and nothing else.
#[test]
fn regular_expressions_without_end_are_stopped() {
    let (endless, others) = (
        ["(a+)+$", "(a|aa)+$"],
        ["(a*)*b", "(?:a?){40}a{40}", "(.*)*x"],
    );
    for pattern in endless.into_iter().chain(others) {
        let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        let model = Copy::of("tok-plain")
            .tokenizer("pre_tokenizer", split)
            .load();
        let tokenizer = model.require_tokenizer().unwrap();
        let text = format!("{}!", "a".repeat(4000));
        let clock = std::time::Instant::now();
        match tokenizer.encode(&text, PrependBos::Auto) {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("too many ways"), "{pattern}: {error}");
                assert!(error.len() < 300, "{error}");
            }
            Ok(_) => assert!(!endless.contains(&pattern), "{pattern} came to an end"),
        }
        assert!(clock.elapsed().as_secs() < 60, "{pattern}");
        // It works on.
        assert!(tokenizer.encode("The", PrependBos::Auto).is_ok());
    }
}
