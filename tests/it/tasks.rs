//! Tasks: generators under several kinds of tokenizers, and what is said about wrong data.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod formats;
mod refusals;
mod relation;
mod repository;
mod rows;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use secateur::error::Error;
use secateur::events::{Event, Observer, Silent};
use secateur::model::{
    Activation, ModelConfig, Norm, Positions, PrependBos, Tokenizer, load_model,
};
use secateur::task::{
    Agreement, Dataset, Example, GreaterThan, Induction, Ioi, IoiCorruption, LoadRequest, Prompts,
    TaskSource, vocabulary,
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
    Tokenizer::new(tokenizer.to_string().parse().unwrap(), Some(1), false).unwrap()
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
        ..ModelConfig::default()
    }
}

fn load(source: &TaskSource, tokenizer: Option<&Tokenizer>, base: &Path) -> Result<Dataset, Error> {
    let config = config(1_000, 32);
    source.load(&LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer,
        config: &config,
        prepend_bos: PrependBos::Auto,
        base,
        observer: &Silent,
    })
}

fn generate(source: &TaskSource, tokenizer: Option<&Tokenizer>) -> Dataset {
    load(source, tokenizer, Path::new(".")).unwrap()
}

fn all(pairs: usize, seed: u64) -> [TaskSource; 4] {
    [
        TaskSource::Ioi(Ioi {
            pairs,
            seed,
            ..Ioi::default()
        }),
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
    When Emily and Andrew got to the beach, Andrew gave the ball to | When Emily and Andrew got to the beach, Emily gave the ball to
    The project lasted from the year 1210 to the year 12 | The project lasted from the year 1201 to the year 12
     black morning gold salt summer seed green foot water drum fire gold |  black morning silver salt summer seed green foot water drum fire gold
    The soldier behind the tables | The soldiers behind the tables
    ");
}

#[test]
fn ioi_has_the_indirect_object_as_answer_and_another_name_in_the_corrupt_prompt() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    for corruption in [IoiCorruption::IndirectObject, IoiCorruption::ThirdName] {
        let task = TaskSource::Ioi(Ioi {
            pairs: 64,
            seed: 3,
            corruption,
        });
        let dataset = generate(&task, Some(&tokenizer));
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
            let second = example.corrupt[subject_at[1]];
            match corruption {
                IoiCorruption::IndirectObject => assert_eq!(second, io),
                IoiCorruption::ThirdName => assert!(second != io && second != subject),
            }
        }
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
            prompts: secateur::task::Prompts::Pairs,
            tokenizer: Some(&tokenizer),
            config: &config,
            prepend_bos: PrependBos::Always,
            base: Path::new("."),
            observer: &Silent,
        };
        let dataset = source.load(&request).unwrap();
        assert!(dataset.prepend_bos);
        for example in &dataset.examples {
            assert_eq!((example.clean[0], example.corrupt[0]), (1, 1));
        }
        assert!(!generate(&source, Some(&tokenizer)).prepend_bos);
    }
}

/// Texts that begin alike and end in other tokens are different texts; equal ones are on the same side.
#[test]
fn texts_are_split_by_all_of_their_tokens() {
    let text = |answer: u32| Example {
        clean: vec![1, 2],
        corrupt: vec![1, 2],
        answer: vec![2, answer],
        wrong: Vec::new(),
        at: vec![0, 1],
        teacher_forced: true,
        spans: Vec::new(),
        text: None,
    };
    let dataset = Dataset {
        examples: vec![text(3), text(4), text(3), text(4)],
        source: "texts".into(),
        prepend_bos: false,
    };
    let (discovery, held_out) = dataset.split_texts(0.5);
    assert_eq!((discovery.len(), held_out.len()), (2, 2));
    assert_eq!(discovery[0], discovery[1]);
    assert_eq!(held_out[0], held_out[1]);
    assert_ne!(discovery[0], held_out[0]);
}

#[test]
fn generated_prompts_have_spans() {
    let tokenizer = tokenizer(Numbers::Pairs, |_| true);
    let mut lines = Vec::new();
    for source in all(2, 3) {
        let dataset = generate(&source, Some(&tokenizer));
        for example in &dataset.examples {
            let tokens: usize = example.spans.iter().map(|span| span.tokens).sum();
            assert_eq!(tokens, example.clean.len());
            let mut start = 0;
            let parts = example.spans.iter().map(|span| {
                let end = start + span.tokens;
                let text = decode(&tokenizer, &example.clean[start..end]).concat();
                start = end;
                format!("{}:{text}", span.name)
            });
            lines.push(parts.collect::<Vec<_>>().join("|"));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    start:Then,|IO: Kevin|and: and|S1: George|middle: had a long talk at the school. Afterwards,|S2: George|action: gave a book|END: to
    start:While|S1: Alice|and: and|IO: Tom|middle: waited at the hotel,|S2: Alice|action: showed the watch|END: to
    start:The rule lasted from the year|century: 16|YY:68|middle: to the year|END: 16
    start:The strike lasted from the year|century: 16|YY:06|middle: to the year|END: 16
    before: red green heart|A: stone|B: night|between: lamp morning rock clock eye lemon|END: stone
    before: cup stone summer rock clock south winter|A: bread|B: west|between: snow night|END: bread
    start:Today the|subject: chair|middle: beside the|distractor: towers
    start:Today the|subject: boys|middle: with the|distractor: village
    ");
}

/// An observer that asks to stop is heard while examples are made or read.
#[test]
fn the_observer_is_asked_while_examples_are_made() {
    struct Stop(AtomicUsize);
    impl Observer for Stop {
        fn event(&self, _: Event) {}
        fn interrupted(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) >= 10
        }
    }
    let model = load_model("builtin:toy-llama", Path::new(".")).expect("a model");
    let folder = tempfile::tempdir().expect("a folder");
    let row = r#"{"clean": "The dogs near the tree", "corrupt": "The dog near the tree", "answer": " are", "wrong": " is"}"#;
    fs_err::write(
        folder.path().join("rows.jsonl"),
        format!("{row}\n").repeat(50),
    )
    .expect("rows");
    let tokens = r#"{"clean": [1, 2], "corrupt": [1, 3], "answer": [4], "wrong": [5]}"#;
    fs_err::write(
        folder.path().join("ids.jsonl"),
        format!("{tokens}\n").repeat(50),
    )
    .expect("rows");
    for source in [
        TaskSource::File("rows.jsonl".into()),
        TaskSource::Tokens("ids.jsonl".into()),
        TaskSource::Ioi(Ioi {
            pairs: 50,
            seed: 0,
            corruption: IoiCorruption::ThirdName,
        }),
        TaskSource::Agreement(Agreement { pairs: 50, seed: 0 }),
        TaskSource::Induction(Induction {
            pairs: 50,
            seed: 0,
            length: 8,
        }),
    ] {
        let stop = Stop(AtomicUsize::new(0));
        let loaded = source.load(&LoadRequest {
            tokenizer: model.tokenizer.as_ref(),
            config: model.config(),
            prepend_bos: PrependBos::Auto,
            prompts: Prompts::Pairs,
            base: folder.path(),
            observer: &stop,
        });
        assert!(matches!(loaded, Err(Error::Interrupted)), "{source:?}");
        assert_eq!(stop.0.into_inner(), 11, "{source:?}");
    }
}
