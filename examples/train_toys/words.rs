//! The word-level tokenizer of the toy models, in the format of the tokenizers library.

use std::collections::BTreeSet;

use serde_json::json;

use crate::Result;

/// A word with its space, two digits, or a punctuation mark.
const PIECE: &str = r" ?\p{L}+| ?\d{2}|[^\s\p{L}\d]";

/// tokenizer.json: every word of the generators, all two-digit numbers, centuries with a space, punctuation.
pub(crate) fn tokenizer_json() -> Result<String> {
    let mut words = BTreeSet::new();
    for piece in secateur::task::vocabulary() {
        split(&piece, &mut words);
    }
    for number in 0..100 {
        words.insert(format!("{number:02}"));
    }
    for century in 11..18 {
        words.insert(format!(" {century}"));
    }
    let mut vocabulary = serde_json::Map::new();
    vocabulary.insert("<unk>".into(), json!(0));
    for (index, word) in words.iter().enumerate() {
        vocabulary.insert(word.clone(), json!(index + 1));
    }
    let unknown = json!({
        "id": 0, "content": "<unk>", "special": true,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    });
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [unknown],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "pattern": { "Regex": PIECE }, "behavior": "Isolated", "invert": false,
        },
        "post_processor": null,
        "decoder": { "type": "Fuse" },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    });
    Ok(serde_json::to_string_pretty(&tokenizer)? + "\n")
}

/// Reads a tokenizer back.
pub(crate) fn tokenizer(json: &str) -> Result<secateur::model::Tokenizer> {
    let inner: tokenizers::Tokenizer = json.parse()?;
    Ok(secateur::model::Tokenizer::new(inner, None, false)?)
}

/// Number of tokens.
pub(crate) fn count(json: &str) -> Result<usize> {
    let inner: tokenizers::Tokenizer = json.parse()?;
    Ok(inner.get_vocab_size(true))
}

/// The words of a piece of text as the pre-tokenizer cuts it.
fn split(piece: &str, words: &mut BTreeSet<String>) {
    let mut word = String::new();
    for letter in piece.chars() {
        if letter.is_alphabetic() {
            word.push(letter);
            continue;
        }
        flush(&mut word, words);
        if letter == ' ' {
            word.push(letter);
        } else {
            words.insert(letter.to_string());
        }
    }
    flush(&mut word, words);
}

fn flush(word: &mut String, words: &mut BTreeSet<String>) {
    let done = std::mem::take(word);
    if !done.trim().is_empty() {
        words.insert(done);
    }
}
