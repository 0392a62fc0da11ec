//! Tasks: generators under several kinds of tokenizers, and what is said about wrong data.

use std::collections::HashSet;
use std::path::Path;

use secateur::error::Error;
use secateur::model::{Activation, ModelConfig, Norm, Positions, PrependBos, Tokenizer};
use secateur::task::{
    Agreement, Dataset, Example, GreaterThan, Induction, Ioi, LoadRequest, TaskSource, vocabulary,
};
use serde_json::json;

/// How a test tokenizer cuts numbers.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Pairs,
    Digits,
    Whole,
    None,
}

/// A word-level tokenizer of all words the generators know, and the numbers cut in one way.
fn tokenizer(numbers: Numbers, keep: impl Fn(&str) -> bool) -> Tokenizer {
    let mut words: Vec<String> = Vec::new();
    for piece in vocabulary() {
        let cut = piece.replace(',', " , ").replace('.', " . ");
        words.extend(cut.split_whitespace().flat_map(|word| {
            let spaced = format!(" {word}");
            [word.to_owned(), spaced]
        }));
    }
    words.retain(|word| keep(word.trim()));
    match numbers {
        Numbers::Pairs => {
            words.extend((0..100).map(|number| format!("{number:02}")));
            words.extend((11..18).map(|century| format!(" {century}")));
        }
        Numbers::Digits => words.extend((0..10).map(|digit| digit.to_string()).chain([" ".into()])),
        Numbers::Whole | Numbers::None => {}
    }
    words.sort();
    words.dedup();
    let mut ids = serde_json::Map::new();
    ids.insert("<unk>".into(), json!(0));
    ids.insert("<s>".into(), json!(1));
    for word in words {
        let id = ids.len();
        ids.insert(word, json!(id));
    }
    let pattern = match numbers {
        Numbers::Pairs | Numbers::None => r" ?\p{L}+| ?\d{2}|[^\s\p{L}\d]",
        Numbers::Digits => r" ?\p{L}+|\d|[^\s\p{L}\d]",
        Numbers::Whole => r" ?\p{L}+| ?\d+|[^\s\p{L}\d]",
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false,
        },
        "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": "<unk>"},
    });
    Tokenizer::new(tokenizer.to_string().parse().unwrap(), Some(1), false)
}

fn config(d_vocab: usize, n_ctx: usize) -> ModelConfig {
    ModelConfig {
        family: "llama".into(),
        n_layers: 1,
        n_heads: 1,
        n_kv_heads: 1,
        d_model: 4,
        d_head: 4,
        d_mlp: 4,
        d_vocab,
        n_ctx,
        norm: Norm::RmsNorm { eps: 1e-5 },
        positions: Positions::Learned,
        activation: Activation::Silu,
        gated_mlp: true,
        parallel_blocks: false,
        tied_unembedding: true,
    }
}

fn load(source: &TaskSource, tokenizer: Option<&Tokenizer>, base: &Path) -> Result<Dataset, Error> {
    let config = config(1_000, 32);
    source.load(&LoadRequest {
        tokenizer,
        config: &config,
        prepend_bos: PrependBos::Auto,
        base,
    })
}

fn generate(source: &TaskSource, tokenizer: Option<&Tokenizer>) -> Dataset {
    load(source, tokenizer, Path::new(".")).unwrap()
}

fn all(pairs: usize, seed: u64) -> [TaskSource; 4] {
    [
        TaskSource::Ioi(Ioi { pairs, seed }),
        TaskSource::GreaterThan(GreaterThan { pairs, seed }),
        TaskSource::Induction(Induction {
            pairs,
            seed,
            length: 12,
        }),
        TaskSource::Agreement(Agreement { pairs, seed }),
    ]
}

fn differing(example: &Example) -> Vec<usize> {
    let Example { clean, corrupt, .. } = example;
    (0..clean.len())
        .filter(|place| clean[*place] != corrupt[*place])
        .collect()
}

fn decode(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
    tokens
        .iter()
        .map(|token| tokenizer.decode(&[*token]))
        .collect()
}

#[test]
fn generators_are_deterministic_and_give_different_prompts() {
    for numbers in [Numbers::Pairs, Numbers::Digits] {
        let tokenizer = tokenizer(numbers, |_| true);
        for (one, other) in all(128, 0).iter().zip(all(128, 1)) {
            let dataset = generate(one, Some(&tokenizer));
            assert_eq!(dataset, generate(one, Some(&tokenizer)));
            assert_eq!(dataset.hash(), generate(one, Some(&tokenizer)).hash());
            assert_ne!(dataset.hash(), generate(&other, Some(&tokenizer)).hash());
            let prompts: HashSet<_> = dataset
                .examples
                .iter()
                .map(|example| &example.clean)
                .collect();
            assert_eq!(prompts.len(), 128, "{}", dataset.source);
            for example in &dataset.examples {
                let text = example.text.as_ref().unwrap();
                assert_eq!(
                    tokenizer.encode(&text.clean, PrependBos::Never).unwrap(),
                    example.clean
                );
                assert_eq!(
                    tokenizer.encode(&text.corrupt, PrependBos::Never).unwrap(),
                    example.corrupt
                );
                assert_eq!(example.at, [example.clean.len() - 1]);
                assert!(
                    !example.clean.contains(&0),
                    "unknown word in {}",
                    text.clean
                );
            }
        }
    }
}

#[test]
fn rows_of_a_seed_never_change() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let prompts = all(1, 0).map(|source| {
        let text = generate(&source, Some(&tokenizer)).examples[0]
            .text
            .clone()
            .unwrap();
        format!("{} | {}", text.clean, text.corrupt)
    });
    insta::assert_snapshot!(prompts.join("\n"), @r"
    When Emily and Andrew got to the beach, Andrew gave the ball to | When Emily and Andrew got to the beach, Julia gave the ball to
    The project lasted from the year 1210 to the year 12 | The project lasted from the year 1201 to the year 12
     black morning gold salt summer seed green foot water drum fire gold |  black morning silver salt summer seed green foot water drum fire gold
    The soldier behind the tables | The soldiers behind the tables
    ");
}

#[test]
fn ioi_has_the_indirect_object_as_answer_and_a_third_name_in_the_corrupt_prompt() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let dataset = generate(
        &TaskSource::Ioi(Ioi { pairs: 64, seed: 3 }),
        Some(&tokenizer),
    );
    for (index, example) in dataset.examples.iter().enumerate() {
        let (io, subject) = (example.answer[0], example.wrong[0]);
        let places = |tokens: &[u32], name| {
            tokens
                .iter()
                .enumerate()
                .filter(|(_, token)| **token == name)
                .map(|(place, _)| place)
                .collect::<Vec<_>>()
        };
        let (io_at, subject_at) = (places(&example.clean, io), places(&example.clean, subject));
        assert_eq!((io_at.len(), subject_at.len()), (1, 2));
        assert_eq!(
            io_at[0] < subject_at[0],
            index % 2 == 0,
            "ABBA and BABA alternate"
        );
        assert_eq!(differing(example), [subject_at[1]]);
        let third = example.corrupt[subject_at[1]];
        assert!(third != io && third != subject);
    }
}

#[test]
fn greater_than_uses_numbers_where_two_digits_are_a_token() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let dataset = generate(
        &TaskSource::GreaterThan(GreaterThan { pairs: 64, seed: 0 }),
        Some(&tokenizer),
    );
    for example in &dataset.examples {
        let place = differing(example);
        assert_eq!(place.len(), 1);
        let year: usize = tokenizer
            .decode(&[example.clean[place[0]]])
            .parse()
            .unwrap();
        assert_eq!(tokenizer.decode(&[example.corrupt[place[0]]]), "01");
        let numbers = |range: std::ops::Range<usize>| {
            range.map(|year| format!("{year:02}")).collect::<Vec<_>>()
        };
        assert_eq!(decode(&tokenizer, &example.answer), numbers(year + 1..100));
        assert_eq!(decode(&tokenizer, &example.wrong), numbers(0..year + 1));
    }
}

#[test]
fn greater_than_uses_decades_where_digits_are_tokens() {
    let tokenizer = tokenizer(Numbers::Digits, |_| true);
    let dataset = generate(
        &TaskSource::GreaterThan(GreaterThan { pairs: 64, seed: 0 }),
        Some(&tokenizer),
    );
    for example in &dataset.examples {
        let place = differing(example)[0];
        let tens: usize = tokenizer.decode(&[example.clean[place]]).parse().unwrap();
        assert_eq!(tokenizer.decode(&example.corrupt[place..place + 2]), "01");
        let digits = |range: std::ops::Range<usize>| {
            range.map(|digit| digit.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(decode(&tokenizer, &example.answer), digits(tens + 1..10));
        assert_eq!(decode(&tokenizer, &example.wrong), digits(0..tens));
    }
}

#[test]
fn induction_answers_what_followed_and_leaves_nothing_to_copy() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    for tokenizer in [Some(&tokenizer), None] {
        for length in [4, 12] {
            let source = TaskSource::Induction(Induction {
                pairs: 64,
                seed: 0,
                length,
            });
            for example in &generate(&source, tokenizer).examples {
                assert_eq!(example.clean.len(), length);
                let last = example.clean[length - 1];
                let first = example
                    .clean
                    .iter()
                    .position(|token| *token == last)
                    .unwrap();
                assert!(first + 1 < length - 1);
                assert_eq!(example.answer, [example.clean[first + 1]]);
                assert_eq!(differing(example), [first]);
                let words: HashSet<_> = example.corrupt.iter().collect();
                assert_eq!(words.len(), length, "the corrupt prompt repeats nothing");
                assert!(example.clean.contains(&example.wrong[0]));
                assert!(example.wrong[0] != last);
                assert!(tokenizer.is_some() || example.clean.iter().all(|token| *token >= 16));
            }
        }
    }
}

#[test]
fn agreement_answers_in_the_number_of_the_subject() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let dataset = generate(
        &TaskSource::Agreement(Agreement { pairs: 64, seed: 0 }),
        Some(&tokenizer),
    );
    let mut distracted = 0;
    for example in &dataset.examples {
        let place = differing(example);
        assert_eq!(place.len(), 1);
        let words = decode(&tokenizer, &example.clean);
        let plural = words[place[0]].ends_with('s');
        let (many, one) = ([" are", " were", " have"], [" is", " was", " has"]);
        assert_eq!(
            decode(&tokenizer, &example.answer),
            if plural { many } else { one }
        );
        assert_eq!(
            decode(&tokenizer, &example.wrong),
            if plural { one } else { many }
        );
        distracted += usize::from(words[words.len() - 1].ends_with('s') != plural);
    }
    assert!(
        (16..48).contains(&distracted),
        "the distractor has either number"
    );
}

#[test]
fn splits_share_no_prompt() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    for source in all(65, 0) {
        let mut dataset = generate(&source, Some(&tokenizer));
        // The same clean prompt with another corrupt one stays on one side.
        let mut again = dataset.examples[3].clone();
        again.corrupt.clone_from(&dataset.examples[4].corrupt);
        dataset.examples.push(again);
        for share in [0.0, 0.01, 0.3, 0.5, 0.99, 1.0] {
            let (discovery, held_out) = dataset.split(share);
            assert_eq!((discovery.clone(), held_out.clone()), dataset.split(share));
            assert_eq!(discovery.len() + held_out.len(), 66);
            assert!((held_out.len() as f64 - share * 66.0).abs() <= 1.5);
            assert_eq!(
                share > 0.0 && share < 1.0,
                !discovery.is_empty() && !held_out.is_empty()
            );
            let seen: HashSet<_> = discovery.iter().map(|example| &example.clean).collect();
            assert!(
                held_out
                    .iter()
                    .all(|example| !seen.contains(&example.clean))
            );
        }
    }
}

#[test]
fn the_beginning_of_sequence_token_is_recorded() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let config = config(1_000, 32);
    for source in all(4, 0) {
        let request = LoadRequest {
            tokenizer: Some(&tokenizer),
            config: &config,
            prepend_bos: PrependBos::Always,
            base: Path::new("."),
        };
        let dataset = source.load(&request).unwrap();
        assert!(dataset.prepend_bos);
        for example in &dataset.examples {
            assert_eq!((example.clean[0], example.corrupt[0]), (1, 1));
        }
        assert!(!generate(&source, Some(&tokenizer)).prepend_bos);
    }
}

/// The message of a generator that cannot work.
fn refusal(source: &TaskSource, tokenizer: Option<&Tokenizer>) -> String {
    let error = load(source, tokenizer, Path::new(".")).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

#[test]
fn generators_say_what_is_missing() {
    let whole = tokenizer(Numbers::Whole, |_| true);
    let few_names = tokenizer(Numbers::Pairs, |word| {
        word.chars()
            .next()
            .is_none_or(|letter| !letter.is_uppercase())
            || ["Mary", "John"].contains(&word)
    });
    let no_numbers = tokenizer(Numbers::None, |_| true);
    let ioi = TaskSource::Ioi(Ioi { pairs: 4, seed: 0 });
    let greater_than = |pairs| TaskSource::GreaterThan(GreaterThan { pairs, seed: 0 });
    let induction = |length| {
        TaskSource::Induction(Induction {
            pairs: 4,
            seed: 0,
            length,
        })
    };
    let messages = [
        refusal(&ioi, None),
        refusal(&TaskSource::File("rows.jsonl".into()), None),
        refusal(&ioi, Some(&few_names)),
        refusal(&greater_than(4), Some(&no_numbers)),
        refusal(&greater_than(4), Some(&whole)),
        refusal(&greater_than(0), Some(&few_names)),
        refusal(&induction(3), None),
        refusal(&induction(2_000), None),
        refusal(&induction(40), None),
        refusal(&induction(500), Some(&whole)),
    ];
    insta::assert_snapshot!(messages.join("\n---\n"), @r"
    model tokenizer: the model has none, and Ioi(pairs: 4, seed: 0) is made of text; use a `Tokens` task, whose rows are token ids
    ---
    model tokenizer: the model has none, and rows.jsonl is made of text; use a `Tokens` task, whose rows are token ids
    ---
    Ioi(pairs: 4, seed: 0): only 2 first names are single tokens of this tokenizer and at least 3 are needed; give rows of your own with `File` or `Tokens`
    ---
    GreaterThan(pairs: 4, seed: 0): this tokenizer writes years neither as two-digit tokens nor as single digits; give rows of your own with `File` or `Tokens`
    ---
    GreaterThan(pairs: 4, seed: 0): this tokenizer writes years neither as two-digit tokens nor as single digits; give rows of your own with `File` or `Tokens`
    ---
    GreaterThan(pairs: 0, seed: 0): there are no examples; set `pairs` to at least 1
    ---
    Induction(pairs: 4, seed: 0, length: 3): `length` must be at least 4: a word, A, B and A again
    ---
    Induction(pairs: 4, seed: 0, length: 2000): a vocabulary of 1000 tokens is too small; lower `length` to 1000
    ---
    Induction(pairs: 4, seed: 0, length: 40): row 1: the prompt has 40 tokens and the model reads at most 32; shorten it
    row 2: the prompt has 40 tokens and the model reads at most 32; shorten it
    row 3: the prompt has 40 tokens and the model reads at most 32; shorten it
    row 4: the prompt has 40 tokens and the model reads at most 32; shorten it
    ---
    Induction(pairs: 4, seed: 0, length: 500): only 64 words are single tokens of this tokenizer and at least 500 are needed; give rows of your own with `File` or `Tokens`
    ");
}

#[test]
fn too_many_pairs_name_the_number_there_is() {
    let tokenizer = tokenizer(Numbers::Pairs, |word| !["trees", "cats"].contains(&word));
    let message = refusal(
        &TaskSource::Agreement(Agreement {
            pairs: 100_000,
            seed: 0,
        }),
        Some(&tokenizer),
    );
    assert!(message.contains("lower `pairs` to"), "{message}");
}

/// What is said about a file with these rows; the file's name is cut off.
fn complaint(rows: &[u8], text: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let source = if text {
        TaskSource::File
    } else {
        TaskSource::Tokens
    }("rows.jsonl".into());
    let error = load(&source, Some(&tokenizer), folder.path()).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error:?}");
    let message = error.to_string();
    message
        .split_once("rows.jsonl: ")
        .expect("the file is named")
        .1
        .to_owned()
}

#[test]
fn wrong_rows_of_ids_are_named() {
    let good = r#"{"clean":[5,6,7],"corrupt":[5,8,7],"answer":[9],"wrong":[10],"at":[1,2]}"#;
    let rows = [
        r#"{"clean":[5,6],"corrupt":[5,8,7],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,6],"answer":[9]}"#,
        r#"{"clean":[],"corrupt":[],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,1000],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[4000]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[-1]}"#,
        r#"{"clean":[5,6.5],"corrupt":[5,7],"answer":[1]}"#,
        r#"{"clean":[5,4294967296],"corrupt":[5,7],"answer":[1]}"#,
        r#"{"clean":"text","corrupt":[5,7],"answer":[1]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":9}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[[1,2]]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"wrong":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[2]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[-1]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"at":[1,0]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7],"answer":[9],"label":3}"#,
        r#"{"clean":[5,6],"answer":[9]}"#,
        r#"{"clean":[5,6],"corrupt":[5,7]"#,
        r"[5,6]",
        "",
    ];
    let messages: Vec<String> = rows
        .iter()
        .map(|row| complaint(format!("{good}\n{row}\n{good}\n").as_bytes(), false))
        .collect();
    for message in &messages {
        assert!(message.starts_with("row 2: "), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let long: Vec<usize> = (0..33).collect();
    let other: Vec<usize> = (1..34).collect();
    let long = complaint(
        json!({"clean": long, "corrupt": other, "answer": [1]})
            .to_string()
            .as_bytes(),
        false,
    );
    let others = [
        long,
        complaint(b"", false),
        complaint(b" \n\n", false),
        complaint(b"{\"clean\":\"\xff\"}", false),
    ];
    insta::assert_snapshot!([messages.as_slice(), &others].concat().join("\n"), @r#"
    row 2: clean has 2 tokens and corrupt 3; both must have the same number, so change a word
    row 2: clean and corrupt are the same tokens; change the corrupt prompt
    row 2: `clean` is empty; write a prompt or remove the row
    row 2: `corrupt` has token 1000, but the model's vocabulary ends at 999; use ids of this model
    row 2: `answer` has token 4000, but the model's vocabulary ends at 999; use ids of this model
    row 2: `answer` has -1, which is not a token id; ids are whole numbers from 0
    row 2: `clean` has 6.5, which is not a token id; ids are whole numbers from 0
    row 2: `clean` has 4294967296, which is not a token id; ids are whole numbers from 0
    row 2: `clean` is text and not a list of token ids; use a `File` task for text
    row 2: `answer` is empty; give at least one right answer
    row 2: `answer` is not a list; write [9]
    row 2: `answer` has the nested list [1,2]: an answer of several tokens needs a teacher-forced metric, which does not exist yet; give alternatives of one token each
    row 2: token 9 is twice among the answers and wrong answers; remove one
    row 2: `at` has position 2, but the prompt's last is 1; positions count from 0
    row 2: `at` has -1, which is not a position; positions count from 0
    row 2: `at` is empty; name a position, or leave `at` out for the last one
    row 2: `at` is not in ascending order; sort it and keep each position once
    row 2: unknown key `label`; the keys are clean, corrupt, answer, wrong, at
    row 2: `corrupt` is missing; add it
    row 2: not JSON (EOF while parsing an object at line 1 column 30); write one object per line, such as {"clean": ..}
    row 2: not a JSON object; write {"clean": .., "corrupt": .., "answer": [..]}
    row 2: the line is empty; remove it
    row 1: the prompt has 33 tokens and the model reads at most 32; shorten it
    the file has no rows; write one JSON object per line
    the file has no rows; write one JSON object per line
    row 1: not UTF-8 text; save the file as UTF-8
    "#);
}

#[test]
fn wrong_rows_of_text_are_named() {
    let good =
        r#"{"clean":"The dog near","corrupt":"The dogs near","answer":[" is"],"wrong":[" are"]}"#;
    let rows = [
        r#"{"clean":"The dog near","corrupt":"The dogs","answer":[" is"]}"#,
        r#"{"clean":"The dog","corrupt":"The dog","answer":[" is"]}"#,
        r#"{"clean":"","corrupt":"The","answer":[" is"]}"#,
        r#"{"clean":[1,2],"corrupt":"The dog","answer":[" is"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[" is near"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":["is near"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[""]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[[" is"," near"]]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[" zebra"]}"#,
        r#"{"clean":"The dog","corrupt":"The dogs","answer":[3]}"#,
    ];
    let messages: Vec<String> = rows
        .iter()
        .map(|row| complaint(format!("{good}\r\n{row}\r\n").as_bytes(), true))
        .collect();
    for message in &messages {
        assert!(message.starts_with("row 2: "), "{message}");
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    row 2: clean has 3 tokens and corrupt 2; both must have the same number, so change a word
    row 2: clean and corrupt are the same tokens; change the corrupt prompt
    row 2: `clean` is empty; write a prompt or remove the row
    row 2: `clean` is not text; put it in quotes, or use a `Tokens` task for token ids
    row 2: `answer` has " is near", which is not a single token but 2; give an alternative of one token (an answer of several tokens needs a teacher-forced metric, which does not exist yet)
    row 2: `answer` has "is near", which is not a single token but 2; give an alternative of one token; words usually need their space in front (an answer of several tokens needs a teacher-forced metric, which does not exist yet)
    row 2: `answer` has "", which this tokenizer does not know; give an alternative of one token; words usually need their space in front
    row 2: `answer` has the nested list [" is"," near"]: an answer of several tokens needs a teacher-forced metric, which does not exist yet; give alternatives of one token each
    row 2: `answer` has " zebra", which this tokenizer does not know; give an alternative of one token
    row 2: `answer` has 3, which is not text; put it in quotes
    "#);
}

#[test]
fn ten_wrong_rows_are_shown_and_the_rest_counted() {
    let message = complaint("{}\n".repeat(25).as_bytes(), false);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 11);
    assert!(lines[9].starts_with("row 10: "));
    assert_eq!(lines[10], "and 15 more");
}

#[test]
fn good_rows_are_read_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let row = |text: &str| format!("\u{feff}{text}\n");
    let ids = row(r#"{"clean":[5,6,7],"corrupt":[5,8,7],"answer":[9,11],"wrong":[10],"at":[0,2]}"#);
    fs_err::write(folder.path().join("ids.jsonl"), ids).unwrap();
    let dataset = load(&TaskSource::Tokens("ids.jsonl".into()), None, folder.path()).unwrap();
    assert_eq!(dataset.source, "Tokens(ids.jsonl)");
    let [example] = dataset.examples.as_slice() else {
        panic!("one row")
    };
    assert_eq!(
        (&example.answer, &example.wrong, &example.at),
        (&vec![9, 11], &vec![10], &vec![0, 2])
    );
    assert_eq!(example.text, None);

    let text =
        row(r#"{"clean":"The dog","corrupt":"The dogs","answer":[" is"," was"],"wrong":[" are"]}"#);
    fs_err::write(folder.path().join("text.jsonl"), text).unwrap();
    let dataset = load(
        &TaskSource::File("text.jsonl".into()),
        Some(&tokenizer),
        folder.path(),
    )
    .unwrap();
    let [example] = dataset.examples.as_slice() else {
        panic!("one row")
    };
    assert_eq!(decode(&tokenizer, &example.answer), [" is", " was"]);
    assert_eq!(decode(&tokenizer, &example.clean), ["The", " dog"]);
    assert_eq!(example.at, [1]);
}

#[test]
fn a_missing_file_is_named() {
    let error = load(
        &TaskSource::Tokens("nowhere.jsonl".into()),
        None,
        Path::new("data"),
    )
    .unwrap_err();
    assert!(error.to_string().contains("data/nowhere.jsonl"), "{error}");
    assert_eq!(error.exit_code(), 3);
}
