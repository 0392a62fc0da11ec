//! Tokenizers in the metadata of GGUF files: byte-level BPE, and the scored pieces of `SentencePiece`.

use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::sentencepiece::{Kind, SentencePiece};
use super::source::{GgufHeader, GgufValue};
use crate::error::{Error, Result};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";

/// Token types of the file format.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;
const BYTE: i64 = 6;

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
    match header.text(MODEL) {
        Some("gpt2") => byte_pairs(header),
        Some("llama") => sentencepiece(header).map(Ok),
        Some(kind) => Ok(Err(format!(
            "its tokenizer is of the kind {kind:?}; gpt2 (byte-level BPE) and llama (SentencePiece) are supported"
        ))),
        None => Ok(Err(format!("there is no tokenizer in {}", header.file))),
    }
}

fn missing(header: &GgufHeader, key: &str) -> Error {
    Error::model(&header.file, format!("metadata key {key} is missing"))
}

/// A token that a metadata key names.
fn token(header: &GgufHeader, key: &str, count: usize) -> Option<u32> {
    match header.metadata.get(key) {
        Some(GgufValue::Integer(id)) => u32::try_from(*id).ok().filter(|id| (*id as usize) < count),
        _ => None,
    }
}

/// Pieces with scores.
fn sentencepiece(header: &GgufHeader) -> Result<Tokenizer> {
    let fail = |problem: &str| Error::model(&header.file, format!("its tokenizer {problem}"));
    let pieces = header
        .texts(TOKENS)
        .ok_or_else(|| missing(header, TOKENS))?;
    let scores = header
        .floats(SCORES)
        .ok_or_else(|| missing(header, SCORES))?;
    let types = header
        .integers(TOKEN_TYPE)
        .ok_or_else(|| missing(header, TOKEN_TYPE))?;
    if scores.len() != pieces.len() || types.len() != pieces.len() {
        return Err(fail("has another number of scores or types than of tokens"));
    }
    if header.switch("tokenizer.ggml.remove_extra_whitespaces") == Some(true)
        || header
            .metadata
            .contains_key("tokenizer.ggml.precompiled_charsmap")
    {
        return Err(fail(
            "changes text before it is cut, which is not supported",
        ));
    }
    let kind = |kind: &i64| match *kind {
        UNKNOWN | CONTROL | USER_DEFINED => Kind::Whole,
        UNUSED => Kind::Unused,
        BYTE => Kind::Byte,
        _ => Kind::Normal,
    };
    let unknown = token(header, "tokenizer.ggml.unknown_token_id", pieces.len());
    let space_prefix = header.switch("tokenizer.ggml.add_space_prefix");
    let inner = SentencePiece::new(
        pieces.to_vec(),
        types.iter().map(kind).collect(),
        scores.to_vec(),
        unknown,
        space_prefix.unwrap_or(true),
    );
    let bos = token(header, BOS, pieces.len());
    let adds_bos = header.switch(ADD_BOS).unwrap_or(true) && bos.is_some();
    let eos = token(header, EOS, pieces.len());
    Ok(Tokenizer::sentencepiece(inner, bos, adds_bos).ending_with(eos))
}

/// Byte-level BPE.
fn byte_pairs(header: &GgufHeader) -> Result<std::result::Result<Tokenizer, String>> {
    let pre = header.text(PRE).unwrap_or("default");
    let Some(cut) = cut(pre) else {
        return Ok(Err(format!(
            "its tokenizer cuts text as {pre:?} does; supported: default, gpt-2, smollm, llama-bpe, qwen2"
        )));
    };
    let tokens = header
        .texts(TOKENS)
        .ok_or_else(|| missing(header, TOKENS))?;
    let merges = header
        .texts(MERGES)
        .ok_or_else(|| missing(header, MERGES))?;
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
    let bos = token(header, BOS, tokens.len());
    let adds_bos = header.switch(ADD_BOS).unwrap_or(cut.adds_bos);
    let eos = token(header, EOS, tokens.len());
    let tokenizer = Tokenizer::new(inner, bos, adds_bos && bos.is_some());
    Ok(Ok(tokenizer.ending_with(eos)))
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
