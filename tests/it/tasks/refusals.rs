//! What generators say when they cannot work.

use std::path::Path;

use secateur::model::Tokenizer;
use secateur::task::{Agreement, GreaterThan, Induction, Ioi, TaskSource};

use super::{Numbers, load, tokenizer};

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
    let ioi = TaskSource::Ioi(Ioi {
        pairs: 4,
        seed: 0,
        ..Ioi::default()
    });
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
    model tokenizer: missing, and Ioi(pairs: 4, seed: 0) is made of text; use a `Tokens` task, whose rows are token ids
    ---
    model tokenizer: missing, and rows.jsonl is made of text; use a `Tokens` task, whose rows are token ids
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
    let tokenizer = tokenizer(Numbers::Pairs, |word| word.len() < 5);
    let message = refusal(
        &TaskSource::Agreement(Agreement {
            pairs: 100_000,
            seed: 0,
        }),
        Some(&tokenizer),
    );
    assert!(message.contains("lower `pairs` to"), "{message}");
}
