//! Tokenizers in the metadata of GGUF files: byte-level BPE.

use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::source::{GgufHeader, GgufValue};
use crate::error::{Error, Result};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";

/// Token types of the file format.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// How text is cut before byte-pair merging.
struct Cut {
    pre_tokenizer: Value,
    /// Whether a whole piece that is a token stays one, whatever the merges say.
    ignore_merges: bool,
    /// Whether text gets a beginning-of-sequence token when the file does not say.
    adds_bos: bool,
}

/// The tokenizer of a GGUF file, or why there is none.
///
/// # Errors
/// When the metadata of a supported kind is malformed.
pub(super) fn read(header: &GgufHeader) -> Result<std::result::Result<Tokenizer, String>> {
    let kind = header.text(MODEL);
    if kind != Some("gpt2") {
        return Ok(Err(match kind {
            Some(kind) => format!(
                "its tokenizer is of the kind {kind:?}; only gpt2 (byte-level BPE) is supported"
            ),
            None => format!("there is no tokenizer in {}", header.file),
        }));
    }
    let pre = header.text(PRE).unwrap_or("default");
    let Some(cut) = cut(pre) else {
        return Ok(Err(format!(
            "its tokenizer cuts text as {pre:?} does; supported: default, gpt-2, smollm, llama-bpe, qwen2"
        )));
    };
    let missing = |key: &str| Error::model(&header.file, format!("metadata key {key} is missing"));
    let tokens = header.texts(TOKENS).ok_or_else(|| missing(TOKENS))?;
    let merges = header.texts(MERGES).ok_or_else(|| missing(MERGES))?;
    let json = json!({
        "version": "1.0",
        "added_tokens": added(tokens, header.integers(TOKEN_TYPE).unwrap_or_default()),
        "pre_tokenizer": cut.pre_tokenizer,
        "decoder": byte_level(false),
        "model": {
            "type": "BPE",
            "ignore_merges": cut.ignore_merges,
            "vocab": tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect::<Map<_, _>>(),
            "merges": pairs(header, merges)?,
        },
    });
    let inner = tokenizers::Tokenizer::from_bytes(json.to_string()).map_err(|error| {
        let problem = format!("its tokenizer is malformed: {error}");
        Error::model(&header.file, problem)
    })?;
    let bos = match header.metadata.get("tokenizer.ggml.bos_token_id") {
        Some(GgufValue::Integer(id)) => u32::try_from(*id)
            .ok()
            .filter(|id| (*id as usize) < tokens.len()),
        _ => None,
    };
    let adds_bos = header
        .switch("tokenizer.ggml.add_bos_token")
        .unwrap_or(cut.adds_bos);
    Ok(Ok(Tokenizer::new(inner, bos, adds_bos && bos.is_some())))
}

/// Tokens that text is searched for before it is cut.
fn added(tokens: &[String], types: &[i64]) -> Vec<Value> {
    let tokens = tokens.iter().zip(types).enumerate();
    tokens
        .filter(|(_, (_, kind))| [UNKNOWN, CONTROL, USER_DEFINED].contains(kind))
        .map(|(id, (token, kind))| {
            json!({
                "id": id,
                "content": token,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": *kind != USER_DEFINED,
            })
        })
        .collect()
}

/// Merges as pairs; both halves are at least one character.
fn pairs(header: &GgufHeader, merges: &[String]) -> Result<Vec<Value>> {
    let pair = |merge: &String| {
        let (left, right) = merge.split_once(' ')?;
        (!left.is_empty() && !right.is_empty()).then(|| json!([left, right]))
    };
    merges
        .iter()
        .map(|merge| {
            pair(merge).ok_or_else(|| {
                let problem = format!("metadata key {MERGES}: {merge:?} is not a pair of tokens");
                Error::model(&header.file, problem)
            })
        })
        .collect()
}

fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

/// Cuts at a regular expression, then maps bytes.
fn split(regex: &str) -> Value {
    let split = json!({
        "type": "Split",
        "pattern": {"Regex": regex},
        "behavior": "Isolated",
        "invert": false,
    });
    json!({"type": "Sequence", "pretokenizers": [split, byte_level(false)]})
}

fn cut(pre: &str) -> Option<Cut> {
    let plain = |pre_tokenizer| Cut {
        pre_tokenizer,
        ignore_merges: false,
        adds_bos: false,
    };
    Some(match pre {
        "default" | "gpt-2" => plain(byte_level(true)),
        "smollm" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            plain(json!({"type": "Sequence", "pretokenizers": [digits, byte_level(true)]}))
        }
        "llama-bpe" => Cut {
            pre_tokenizer: split(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            ignore_merges: true,
            adds_bos: true,
        },
        "qwen2" => plain(split(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        )),
        _ => return None,
    })
}
