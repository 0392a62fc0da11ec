//! Relations from files: what their prompts are, and what is said about wrong ones.

use std::path::Path;

use secateur::error::Error;
use secateur::events::Silent;
use secateur::model::{PrependBos, Tokenizer};
use secateur::task::{LoadRequest, Prompts, Relation, RelationPrompts};

use super::{Numbers, config, decode, tokenizer};

fn read(text: &str) -> Result<Relation, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relation.json");
    fs_err::write(&path, text).unwrap();
    Relation::read(&path)
}

fn prompts(
    relation: &Relation,
    tokenizer: &Tokenizer,
    (shown, n_ctx): (&[usize], usize),
) -> Result<RelationPrompts, Error> {
    let config = config(1_000, n_ctx);
    let request = LoadRequest {
        tokenizer: Some(tokenizer),
        config: &config,
        prepend_bos: PrependBos::Always,
        prompts: Prompts::Sets,
        base: Path::new("."),
        observer: &Silent,
    };
    relation.prompts(0, shown, &request)
}

const NUMBER: &str = r#"{
    "name": "number",
    "prompt_templates": ["The {} near the tree"],
    "prompt_templates_zs": ["the {} with the king"],
    "properties": {"relation_type": "linguistic", "symmetric": false},
    "samples": [
        {"subject": "dog", "object": "is"},
        {"subject": "cats", "object": ["are", "were"]},
        {"subject": "red dogs", "object": "have"},
        {"subject": "car", "object": "has"}
    ]
}"#;

#[test]
fn a_relation_s_prompts_have_examples_in_front_and_know_where_the_subject_ends() {
    let relation = read(NUMBER).unwrap();
    assert_eq!(relation.name, "number");
    // A line ends with a token of its own for this tokenizer.
    let tokenizer = with_lines();
    let found = prompts(&relation, &tokenizer, (&[3], 32)).unwrap();
    let words = |tokens: &[u32]| decode(&tokenizer, tokens).concat();
    let example = "<s>The car near the tree has\n";
    assert_eq!(
        words(&found.prompts[0].tokens),
        format!("{example}The dog near the tree")
    );
    let last = |index: usize| {
        let prompt = &found.prompts[index];
        words(&prompt.tokens[prompt.subject..=prompt.subject])
    };
    assert_eq!([last(0), last(1), last(2)], [" dog", " cats", " dogs"]);
    let answers: Vec<String> = found.answers.iter().map(|it| words(it)).collect();
    assert_eq!(answers, [" is", " are were", " have", " has"]);
    assert_eq!(words(&found.zero_shot[2]), "<s>the red dogs with the king");
    assert_eq!(
        words(found.without_subject.as_ref().unwrap()),
        format!("{example}The near the tree")
    );
    // Without examples there is nothing to leave out.
    let plain = prompts(&relation, &tokenizer, (&[], 32)).unwrap();
    assert!(plain.zero_shot.is_empty());
    assert_eq!(words(&plain.prompts[1].tokens), "<s>The cats near the tree");
}

/// The test tokenizer with a token for the end of a line.
fn with_lines() -> Tokenizer {
    let plain = tokenizer(Numbers::Pairs, |_| true);
    let mut ids = serde_json::Map::new();
    let mut words: Vec<String> = vec!["<unk>".into(), "<s>".into(), "\n".into()];
    words.extend((2..).map_while(|id| Some(plain.decode(&[id])).filter(|it| !it.is_empty())));
    for word in words {
        let id = ids.len();
        ids.insert(word, serde_json::json!(id));
    }
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": r" ?\p{L}+| ?\d{2}|\n|[^\s\p{L}\d]"}, "behavior": "Isolated",
            "invert": false,
        },
        "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": "<unk>"},
    });
    Tokenizer::new(json.to_string().parse().unwrap(), Some(1), false).unwrap()
}

#[test]
fn subjects_are_divided_in_the_same_way_every_time() {
    let relation = Relation {
        name: "n".into(),
        source: "relation.json".into(),
        templates: vec!["{}".into()],
        zero_shot_templates: Vec::new(),
        samples: (0..20)
            .map(|it| secateur::task::RelationSample {
                subject: it.to_string(),
                objects: vec!["x".into()],
            })
            .collect(),
    };
    let one = relation.split(0.4, 3, 1);
    assert_eq!(one, relation.split(0.4, 3, 1));
    assert_eq!(
        (one.shown.len(), one.discovery.len(), one.held_out.len()),
        (3, 9, 8)
    );
    let mut all = [
        one.shown.clone(),
        one.discovery.clone(),
        one.held_out.clone(),
    ]
    .concat();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    // Another seed shows others; what is held out stays.
    let other = relation.split(0.4, 3, 2);
    assert_eq!(other.held_out, one.held_out);
    assert_ne!(other.discovery, one.discovery);
    assert_eq!(relation.split(0.4, 100, 1).shown.len(), 12);
}

#[test]
fn wrong_relations_are_refused_by_name() {
    let refused = |text: &str, parts: &[&str]| {
        let error = read(text).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        for part in parts {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    };
    let with = |templates: &str, samples: &str| {
        format!(r#"{{"name": "n", "prompt_templates": [{templates}], "samples": [{samples}]}}"#)
    };
    let good = r#"{"subject": "a", "object": "b"}, {"subject": "c", "object": "d"}"#;
    refused("[", &["relation.json", "not a relation"]);
    refused(r#"{"name": "n", "samples": []}"#, &["prompt_templates"]);
    refused(
        r#"{"name": "n", "prompt_template": []}"#,
        &["unknown field"],
    );
    refused(
        &with(r#""{}""#, r#"{"subject": "a", "object": 3}"#),
        &["`object` to be a text or a list of texts", "line 1"],
    );
    refused(&with("", good), &["`prompt_templates` is empty"]);
    refused(&with(r#""The capital is""#, good), &["must have {} once"]);
    refused(&with(r#""{} and {}""#, good), &["must have {} once"]);
    refused(
        &with(r#""{}""#, r#"{"subject": "a", "object": "b"}"#),
        &["at least two"],
    );
    let bad = r#"{"subject": " a", "object": "b"}, {"subject": "c", "object": []}, {"subject": "d", "object": ""},
        {"subject": "e", "object": "f"}, {"subject": "e", "object": "g"}"#;
    refused(
        &with(r#""{}""#, bad),
        &[
            "sample 1: the subject \" a\"",
            "sample 2: there is no object",
            "sample 3: the object \"\"",
            "sample 5: the subject \"e\" is there twice",
        ],
    );
}

#[test]
fn prompts_that_do_not_fit_the_model_are_refused_by_name() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let refused = |relation: &Relation, n_ctx: usize, parts: &[&str]| {
        let error = prompts(relation, &tokenizer, (&[], n_ctx)).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        for part in parts.iter().chain(&["relation.json"]) {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    };
    let relation = read(NUMBER).unwrap();
    refused(
        &relation,
        5,
        &["sample 1: the prompt has 6 tokens", "reads at most 5"],
    );
    let changed = |from: &str, to: &str| read(&NUMBER.replace(from, to)).unwrap();
    refused(
        &changed("\"dog\"", "\"zebra\""),
        32,
        &["sample 1: the prompt has \"zebra\""],
    );
    refused(
        &changed("\"has\"", "\"purrs\""),
        32,
        &["sample 4: the object \"purrs\" has no token"],
    );
    refused(
        &changed("The {} near", "The {}s near"),
        32,
        &["sample 1", "put a space there"],
    );
}

#[test]
fn the_relations_of_the_repository_are_large_enough_and_have_specs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("circuits/analyses");
    let extensions = ron::extensions::Extensions::IMPLICIT_SOME
        | ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES;
    let options = ron::Options::default().with_default_extension(extensions);
    let mut asked = Vec::new();
    for specs in ["builtin", "smollm2-135m/relations", "gemma3-270m/relations"] {
        for entry in fs_err::read_dir(folder.join(specs)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs_err::read_to_string(&path).unwrap();
            let spec: secateur::spec::AnalysisSpec = options
                .from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if let secateur::analyze::AnyAnalysis::Relation(question) = spec.analysis {
                let data = path.parent().unwrap().join(&question.data);
                let relation = Relation::read(&data).unwrap();
                let count = relation.samples.len();
                assert!((25..=60).contains(&count), "{}: {count}", data.display());
                asked.push(data.file_name().unwrap().to_owned());
            }
        }
    }
    for entry in fs_err::read_dir(folder.join("data/relations")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(asked.contains(&name), "no spec names {}", name.display());
    }
}
