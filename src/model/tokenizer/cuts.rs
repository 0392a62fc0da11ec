//! How byte-level BPE of GGUF files cuts text before merging, by the name of its rules in llama.cpp.

use serde_json::{Value, json};

/// How text is cut before byte-pair merging.
pub(super) struct Cut {
    pub(super) pre_tokenizer: Value,
    /// Whether a whole piece that is a token stays one, whatever the merges say.
    pub(super) ignore_merges: bool,
    /// Whether text gets a beginning-of-sequence token when the file does not say.
    pub(super) adds_bos: bool,
}

/// Maps bytes to letters; cut before as GPT-2 does, if so.
pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

/// Cuts at one regular expression after the other, each within the pieces of those before it, then maps bytes.
fn splits(regexes: &[&str]) -> Value {
    let split = |regex: &&str| {
        json!({
            "type": "Split",
            "pattern": {"Regex": regex},
            "behavior": "Isolated",
            "invert": false,
        })
    };
    let steps: Vec<Value> = regexes
        .iter()
        .map(split)
        .chain([byte_level(false)])
        .collect();
    json!({"type": "Sequence", "pretokenizers": steps})
}

/// The rules of this name.
pub(super) fn cut(pre: &str) -> Option<Cut> {
    let plain = |pre_tokenizer| Cut {
        pre_tokenizer,
        ignore_merges: false,
        adds_bos: false,
    };
    Some(match pre {
        "default" => plain(splits(&[
            r"[\p{P}\$\+<=>\^~\|]+",
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
            r"\p{N}+",
            r"[0-9][0-9][0-9]",
        ])),
        "gpt-2" => plain(byte_level(true)),
        "smollm" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            plain(json!({"type": "Sequence", "pretokenizers": [digits, byte_level(true)]}))
        }
        "llama-bpe" => Cut {
            pre_tokenizer: splits(&[
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ]),
            ignore_merges: true,
            adds_bos: true,
        },
        "qwen2" => plain(splits(&[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ])),
        _ => return None,
    })
}
