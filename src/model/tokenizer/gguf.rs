//! Tokenizers in the metadata of GGUF files: byte-level BPE, and the scored pieces of `SentencePiece`.

use serde_json::{Map, Value, json};

use super::library::Library;
use super::sentencepiece::{Kind, SentencePiece};
use super::settings::left_out;
use super::{Found, Inner, Tokenizer};
use crate::error::{Error, Result};
use crate::model::source::{GgufHeader, GgufValue};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
const UNK: &str = "tokenizer.ggml.unknown_token_id";
const SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
const EXTRA_SPACES: &str = "tokenizer.ggml.remove_extra_whitespaces";

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

/// Keys that have no bearing on how a text becomes tokens here: other tokens by their parts, what chats look like.
const HARMLESS: [&str; 21] = [
    "tokenizer.ggml.token_type_count",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.eog_token_ids",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.separator_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.prefix_token_id",
    "tokenizer.ggml.suffix_token_id",
    "tokenizer.ggml.middle_token_id",
    "tokenizer.ggml.fim_pre_token_id",
    "tokenizer.ggml.fim_suf_token_id",
    "tokenizer.ggml.fim_mid_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
    "tokenizer.ggml.suppress_tokens",
    "tokenizer.huggingface.json",
    "tokenizer.chat_templates",
];
/// Keys that are read.
const READ: [&str; 13] = [
    MODEL,
    PRE,
    TOKENS,
    MERGES,
    TOKEN_TYPE,
    SCORES,
    BOS,
    EOS,
    ADD_BOS,
    ADD_EOS,
    UNK,
    SPACE_PREFIX,
    EXTRA_SPACES,
];

/// The tokenizer of a GGUF file, or why there is none.
pub(in crate::model) fn read(header: &GgufHeader) -> Found {
    let found = match header.text(MODEL) {
        Some("gpt2") => byte_pairs(header),
        Some("llama") => sentencepiece(header),
        Some(kind) => Err(Error::model(
            &header.file,
            format!(
                "its tokenizer is of the kind {kind:?}; gpt2 (byte-level BPE) and llama (SentencePiece) are supported"
            ),
        )),
        None => return Found::none(format!("there is no tokenizer in {}", header.file)),
    };
    match found {
        Ok(tokenizer) => Found {
            tokenizer: Ok(tokenizer),
            warnings: warnings(header),
        },
        Err(Error::Model { model, problem }) => Found::unusable(format!("{model}: {problem}")),
        Err(error) => Found::unusable(error.to_string()),
    }
}

/// What the metadata asks for that is not done.
fn warnings(header: &GgufHeader) -> Vec<String> {
    let mut warnings = Vec::new();
    if header.switch(ADD_EOS) == Some(true) {
        warnings.push(left_out(&format!("metadata key {ADD_EOS} is true")));
    }
    let byte_pairs = header.text(MODEL) == Some("gpt2");
    for key in [SPACE_PREFIX, EXTRA_SPACES] {
        if byte_pairs && header.switch(key) == Some(true) {
            warnings.push(format!(
                "metadata key {key} is true, which is not done for byte-level BPE, as llama.cpp does not do it either"
            ));
        }
    }
    for (key, value) in &header.metadata {
        let known = READ.contains(&key.as_str())
            || HARMLESS.contains(&key.as_str())
            || key.starts_with("tokenizer.chat_template");
        // A switch that is off asks for nothing.
        let off = matches!(value, GgufValue::Bool(false));
        if key.starts_with("tokenizer.") && !known && !off {
            warnings.push(format!(
                "metadata key {key} is not known and not followed: tokens may differ from those of other programs"
            ));
        }
    }
    warnings
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
    if header.switch(EXTRA_SPACES) == Some(true)
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
    let unknown = token(header, UNK, pieces.len());
    let space_prefix = header.switch(SPACE_PREFIX);
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
    let inner = Inner::SentencePiece(Box::new(inner));
    Ok(Tokenizer::of(inner, bos.into_iter().collect(), adds_bos).ending_with(eos))
}

/// Byte-level BPE.
fn byte_pairs(header: &GgufHeader) -> Result<Tokenizer> {
    let pre = header.text(PRE).unwrap_or("default");
    let Some(cut) = cut(pre) else {
        let problem = format!(
            "its tokenizer cuts text as {pre:?} does; supported: default, gpt-2, smollm, llama-bpe, qwen2"
        );
        return Err(Error::model(&header.file, problem));
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
    let json = json.as_object().cloned().unwrap_or_default();
    let (inner, _) = Library::from_json(json).map_err(|problem| {
        let problem = format!("its tokenizer is malformed: {problem}");
        Error::model(&header.file, problem)
    })?;
    let bos = token(header, BOS, tokens.len());
    let adds_bos = header.switch(ADD_BOS).unwrap_or(cut.adds_bos);
    let eos = token(header, EOS, tokens.len());
    let front = bos.into_iter().collect();
    Ok(Tokenizer::of(Inner::Library(inner), front, adds_bos).ending_with(eos))
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
