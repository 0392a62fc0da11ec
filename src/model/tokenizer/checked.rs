//! What a tokenizer.json may ask for, checked before the library sees it.
//!
//! The library believes its files: some make it panic, others take all memory or run for hours. Panics are caught where it
//! is called; what cannot be caught is refused here. What only concerns batches (truncation, padding) or training (dropout)
//! is ablated, as transformers does for a single text.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Most steps of a normalizer, pre-tokenizer, decoder or post-processor, and how deep lists of them may lie.
const MOST_STEPS: usize = 64;
const DEEPEST: usize = 8;
/// Longest regular expression, in bytes.
const LONGEST_PATTERN: usize = 10_000;
/// Most times as long as it was that a text may become.
const MOST_GROWTH: usize = 10_000;
/// Bytes that a text, or all added tokens together, may become.
const LARGEST_TEXT: usize = 64 << 20;
const LARGEST_ADDED: usize = 16 << 20;
/// Longest word of `WordPiece`, which takes time by its cube.
const LONGEST_WORD: u64 = 1_000;
/// Longest piece of a unigram model, and nodes of the tree of all pieces.
const LONGEST_PIECE: usize = 4_096;
const MOST_NODES: usize = 4_000_000;

/// How much longer texts may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Growth {
    /// On the way to tokens.
    encoding: usize,
    /// On the way back.
    decoding: usize,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            encoding: 1,
            decoding: 1,
        }
    }
}

impl Growth {
    /// Refuses to encode a text that might not fit into memory.
    pub(super) fn encodes(self, bytes: usize) -> Result<(), String> {
        fits(bytes, self.encoding)
    }

    /// Refuses to decode tokens whose text might not fit into memory.
    pub(super) fn decodes(self, bytes: usize) -> Result<(), String> {
        fits(bytes, self.decoding)
    }
}

fn fits(bytes: usize, growth: usize) -> Result<(), String> {
    if bytes.saturating_mul(growth) <= LARGEST_TEXT {
        return Ok(());
    }
    Err(format!(
        "a text of {bytes} bytes, which this tokenizer may make {growth} times as long, is too long for it; split it"
    ))
}

/// The file without what concerns batches and training, and how much longer it may make a text.
///
/// # Errors
/// What it asks for and why it is refused.
pub(super) fn checked(
    mut file: Map<String, Value>,
) -> Result<(Map<String, Value>, Growth), String> {
    file.insert("truncation".into(), Value::Null);
    file.insert("padding".into(), Value::Null);
    if let Some(Value::Object(model)) = file.get_mut("model") {
        model.remove("dropout");
        check_model(model)?;
    }
    for key in ["normalizer", "pre_tokenizer", "decoder", "post_processor"] {
        file.entry(key).or_insert(Value::Null);
    }
    let growth = |keys: &[&str]| -> Result<usize, String> {
        let mut walk = Walk {
            steps: 0,
            growth: 1,
        };
        for key in keys {
            walk.go(&file[*key], key, 0)?;
        }
        if walk.growth > MOST_GROWTH {
            return Err(format!(
                "{} may make a text {} times as long; that is refused above {MOST_GROWTH}",
                keys.join(" and "),
                walk.growth
            ));
        }
        Ok(walk.growth)
    };
    let growth = Growth {
        encoding: growth(&["normalizer", "pre_tokenizer"])?,
        decoding: growth(&["decoder"])?,
    };
    Walk {
        steps: 0,
        growth: 1,
    }
    .go(&file["post_processor"], "post_processor", 0)?;
    let added = file.get("added_tokens").and_then(Value::as_array);
    let contents = added.into_iter().flatten().map(|token| &token["content"]);
    let bytes: usize = contents.filter_map(|it| Some(it.as_str()?.len())).sum();
    if bytes.saturating_mul(growth.encoding) > LARGEST_ADDED {
        return Err(format!(
            "added_tokens has {bytes} bytes of text; that is refused above {}",
            LARGEST_ADDED / growth.encoding
        ));
    }
    Ok((file, growth))
}

fn check_model(model: &Map<String, Value>) -> Result<(), String> {
    let longest = model
        .get("max_input_chars_per_word")
        .and_then(Value::as_u64);
    if let Some(longest) = longest.filter(|longest| *longest > LONGEST_WORD) {
        return Err(format!(
            "model.max_input_chars_per_word is {longest}; that is refused above {LONGEST_WORD}, as time grows with its cube"
        ));
    }
    let Some(pieces) = model.get("vocab").and_then(Value::as_array) else {
        return Ok(());
    };
    // A unigram model keeps its pieces in a tree of bytes.
    let pieces: BTreeSet<&str> = pieces
        .iter()
        .filter_map(|piece| piece.get(0)?.as_str())
        .collect();
    let (mut nodes, mut before) = (0, "");
    for piece in pieces {
        if piece.len() > LONGEST_PIECE {
            return Err(format!(
                "model.vocab has a piece of {} bytes; that is refused above {LONGEST_PIECE}",
                piece.len()
            ));
        }
        let pairs = piece.bytes().zip(before.bytes());
        nodes += piece.len() - pairs.take_while(|(one, other)| one == other).count();
        before = piece;
    }
    if nodes > MOST_NODES {
        return Err(format!(
            "model.vocab takes a tree of {nodes} nodes; that is refused above {MOST_NODES}"
        ));
    }
    Ok(())
}

/// A walk over the steps of one part of the file.
struct Walk {
    steps: usize,
    growth: usize,
}

impl Walk {
    fn go(&mut self, step: &Value, place: &str, depth: usize) -> Result<(), String> {
        let Value::Object(keys) = step else {
            return Ok(());
        };
        self.steps += 1;
        if self.steps > MOST_STEPS || depth > DEEPEST {
            return Err(format!(
                "{place} is the {}th step, {depth} deep; at most {MOST_STEPS} steps, {DEEPEST} deep, are read",
                self.steps
            ));
        }
        for list in ["normalizers", "pretokenizers", "decoders", "processors"] {
            let inner = keys.get(list).and_then(Value::as_array);
            for (index, step) in inner.into_iter().flatten().enumerate() {
                self.go(step, &format!("{place}.{list}[{index}]"), depth + 1)?;
            }
        }
        let factor = self::factor(keys).map_err(|problem| format!("{place}: {problem}"))?;
        self.growth = self.growth.saturating_mul(factor);
        Ok(())
    }
}

/// How many times as long a step may make a text.
fn factor(keys: &Map<String, Value>) -> Result<usize, String> {
    let kind = keys.get("type").and_then(Value::as_str).unwrap_or_default();
    let regex = keys.get("pattern").and_then(|it| it.get("Regex")?.as_str());
    if let Some(regex) = regex.filter(|regex| regex.len() > LONGEST_PATTERN) {
        return Err(format!(
            "a regular expression of {} bytes; that is refused above {LONGEST_PATTERN}",
            regex.len()
        ));
    }
    let length = |key: &str| keys.get(key).and_then(Value::as_str).map_or(0, str::len);
    Ok(match kind {
        "FixedLength" if keys.get("length").and_then(Value::as_u64) == Some(0) => {
            return Err("FixedLength of length 0 cuts text into nothing".into());
        }
        "TemplateProcessing" => {
            check_template(keys)?;
            1
        }
        // By what the forms of Unicode may make of a character, in UTF-8.
        "NFC" | "NFD" => 3,
        "NFKC" | "NFKD" => 11,
        "BertNormalizer" | "Bert" => 6,
        "Lowercase" | "ByteLevel" => 2,
        "Metaspace" => 4,
        "Prepend" => 1 + length("prepend"),
        "Precompiled" => {
            let map = keys.get("precompiled_charsmap").and_then(Value::as_str);
            longest_replacement(map.unwrap_or_default())?.max(1)
        }
        "Replace" => {
            let text = keys
                .get("pattern")
                .and_then(|it| it.get("String")?.as_str());
            // What has no length may be found before each letter.
            let found = text.map_or(1, |text| text.len().max(1));
            1 + length("content") / found
        }
        _ => 1,
    })
}

/// Refuses a template that repeats the text, or leaves it out.
fn check_template(keys: &Map<String, Value>) -> Result<(), String> {
    let single = keys.get("single").and_then(Value::as_array);
    let texts = single.into_iter().flatten();
    let texts: Vec<&str> = texts
        .filter_map(|piece| piece.get("Sequence")?.get("id")?.as_str())
        .collect();
    if single.is_some() && texts != ["A"] {
        return Err(format!(
            "the template for one text has {} texts in it and not one",
            texts.len()
        ));
    }
    Ok(())
}

/// The longest replacement in a map of characters of `SentencePiece`: base64 of the size of a tree, the tree, and
/// replacements that end in zeros.
fn longest_replacement(base64: &str) -> Result<usize, String> {
    let fail = || "its precompiled_charsmap is broken".to_owned();
    let bytes = decoded(base64).ok_or_else(fail)?;
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(1);
    };
    let size = u32::from_le_bytes(*size) as usize;
    let replacements = rest.get(size..).ok_or_else(fail)?;
    let lengths = replacements.split(|byte| *byte == 0).map(<[u8]>::len);
    Ok(lengths.max().unwrap_or(1))
}

/// The bytes of a text in base64.
fn decoded(base64: &str) -> Option<Vec<u8>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [None; 256];
    for (value, digit) in (0_u32..).zip(DIGITS.bytes()) {
        values[usize::from(digit)] = Some(value);
    }
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    for group in base64.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0;
        for digit in group {
            bits = (bits << 6) | values[usize::from(*digit)]?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(part: &str, value: &Value) -> String {
        let file = json!({ part: value });
        checked(file.as_object().unwrap().clone()).unwrap_err()
    }

    #[test]
    fn what_the_library_could_not_survive_is_refused_by_name() {
        let sequence = |list: &str, step: &Value, count: usize| json!({"type": "Sequence", list: vec![step.clone(); count]});
        let doubling = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
        let problem = refusal("normalizer", &sequence("normalizers", &doubling, 14));
        assert!(problem.contains("times as long"), "{problem}");
        let bytes = json!({"type": "ByteLevel"});
        let problem = refusal("pre_tokenizer", &sequence("pretokenizers", &bytes, 14));
        assert!(problem.contains("times as long"), "{problem}");
        let problem = refusal(
            "decoder",
            &sequence("decoders", &json!({"type": "Fuse"}), 64),
        );
        assert!(
            problem.contains("decoder.decoders[63] is the 65th step"),
            "{problem}"
        );
        let mut deep = json!({"type": "NFC"});
        for _ in 0..9 {
            deep = sequence("normalizers", &deep, 1);
        }
        assert!(refusal("normalizer", &deep).contains("9 deep"));
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let twice = json!({"type": "TemplateProcessing", "single": [text, text]});
        assert!(refusal("post_processor", &twice).contains("2 texts"));
        let long = json!({"type": "Split", "pattern": {"Regex": "a".repeat(10_001)}});
        assert!(refusal("pre_tokenizer", &long).contains("10001 bytes"));
        let fixed = json!({"type": "FixedLength", "length": 0});
        let fixed = sequence("pretokenizers", &fixed, 1);
        assert!(refusal("pre_tokenizer", &fixed).contains("pretokenizers[0]: FixedLength"));
        // A tree of four gigabytes in a map of 8 bytes; digits that are none.
        for map in ["/////wAAAAA=", "?"] {
            let map = json!({"type": "Precompiled", "precompiled_charsmap": map});
            assert!(refusal("normalizer", &map).contains("precompiled_charsmap"));
        }
        let word = json!({"max_input_chars_per_word": 1_000_000});
        assert!(refusal("model", &word).contains("1000000"));
        let piece = json!({"vocab": [["a".repeat(5000), -1.0]]});
        assert!(refusal("model", &piece).contains("5000 bytes"));
        let token = json!([{"content": "a".repeat(17 << 20)}]);
        assert!(refusal("added_tokens", &token).contains("added_tokens"));
    }

    #[test]
    fn what_concerns_batches_and_training_is_taken_out() {
        let file = json!({
            "truncation": {"max_length": 3}, "padding": {"strategy": {"Fixed": 1_000_000_000_000_u64}},
            "model": {"type": "BPE", "dropout": 0.5},
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        });
        let (file, growth) = checked(file.as_object().unwrap().clone()).unwrap();
        assert_eq!(
            (&file["truncation"], &file["padding"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(file["model"], json!({"type": "BPE"}));
        assert_eq!(growth.encoding, 4);
        assert!(growth.encodes(16 << 20).is_ok() && growth.encodes(17 << 20).is_err());
    }

    #[test]
    fn the_tree_of_pieces_shares_what_they_begin_with() {
        let pieces = json!({"vocab": [["abc", 0.0], ["abd", 0.0], ["b", 0.0]]});
        assert_eq!(check_model(pieces.as_object().unwrap()), Ok(()));
        assert_eq!(decoded("AQIDBA==").unwrap(), [1, 2, 3, 4]);
        assert_eq!(decoded("AQID").unwrap(), [1, 2, 3]);
        // An empty tree, then "ab", 0, "c".
        assert_eq!(longest_replacement("AAAAAGFiAGM="), Ok(2));
    }
}
