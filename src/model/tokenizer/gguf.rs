//! Tokenizers in the metadata of GGUF files: byte-level BPE, and the scored pieces of `SentencePiece`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cuts::{byte_level, cut};
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

/// What llama.cpp takes for tokens that a file does not name.
struct Defaults {
    bos: u32,
    eos: u32,
}

const SCORED: Defaults = Defaults { bos: 1, eos: 2 };
const SCORED_UNKNOWN: u32 = 0;
const MERGED: Defaults = Defaults { bos: 11, eos: 11 };

/// The tokenizer of a GGUF file, or why there is none.
pub(in crate::model) fn read(header: &GgufHeader) -> Found {
    let mut warnings = Vec::new();
    let found = header.text(MODEL).and_then(|kind| {
        let tokenizer = match kind {
            Some("gpt2") => byte_pairs(header, &mut warnings),
            Some("llama") => sentencepiece(header, &mut warnings),
            Some(kind) => Err(Error::model(
                &header.file,
                format!(
                    "its tokenizer is of the kind {kind:?}; gpt2 (byte-level BPE) and llama (SentencePiece) are supported"
                ),
            )),
            None => return Ok(None),
        }?;
        not_done(header, kind == Some("gpt2"), &mut warnings)?;
        Ok(Some(tokenizer))
    });
    match found {
        Ok(Some(tokenizer)) => Found {
            tokenizer: Ok(tokenizer),
            warnings,
        },
        Ok(None) => Found::none(format!("there is no tokenizer in {}", header.file)),
        Err(Error::Model { model, problem }) => Found::unusable(format!("{model}: {problem}")),
        Err(error) => Found::unusable(error.to_string()),
    }
}

/// Warns of what the metadata asks for that is not done.
///
/// # Errors
/// When a switch is neither true nor false.
fn not_done(header: &GgufHeader, byte_pairs: bool, warnings: &mut Vec<String>) -> Result<()> {
    if header.switch(ADD_EOS)? == Some(true) {
        warnings.push(left_out(&format!("metadata key {ADD_EOS} is true")));
    }
    for key in [SPACE_PREFIX, EXTRA_SPACES] {
        if header.switch(key)? == Some(true) && byte_pairs {
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
    Ok(())
}

fn missing(header: &GgufHeader, key: &str) -> Error {
    Error::model(&header.file, format!("metadata key {key} is missing"))
}

fn required<T>(header: &GgufHeader, key: &str, found: Option<T>) -> Result<T> {
    found.ok_or_else(|| missing(header, key))
}

/// The kinds of the tokens, where the file says them.
fn types(header: &GgufHeader, tokens: usize) -> Result<Option<&[i64]>> {
    let types = header.integers(TOKEN_TYPE)?;
    match types.map(<[i64]>::len).filter(|count| *count != tokens) {
        Some(count) => Err(unequal(header, TOKEN_TYPE, count, tokens)),
        None => Ok(types),
    }
}

fn unequal(header: &GgufHeader, key: &str, count: usize, tokens: usize) -> Error {
    let problem = format!("metadata key {key} has {count} entries for {tokens} tokens");
    Error::model(&header.file, problem)
}

/// The token that a metadata key names, or else the one that llama.cpp takes, with a warning; there is none where the
/// vocabulary ends before that one.
fn token(
    header: &GgufHeader,
    key: &str,
    tokens: &[String],
    default: u32,
    warnings: &mut Vec<String>,
) -> Result<Option<u32>> {
    let count = tokens.len();
    let problem = match header.size(key)? {
        Some(id) if id < count => return Ok(u32::try_from(id).ok()),
        Some(id) => format!("names token {id} of {count}"),
        None => "is missing".into(),
    };
    let name = tokens.get(default as usize);
    let instead = match name {
        Some(name) => format!("token {default} ({name:?}) is taken, as llama.cpp does"),
        None => "there is no such token".into(),
    };
    warnings.push(format!("metadata key {key} {problem}: {instead}"));
    Ok(name.map(|_| default))
}

/// The tokenizer with the tokens in front of and after texts.
fn with_ends(
    header: &GgufHeader,
    inner: Inner,
    tokens: &[String],
    (defaults, adds_bos): (Defaults, bool),
    warnings: &mut Vec<String>,
) -> Result<Tokenizer> {
    let bos = token(header, BOS, tokens, defaults.bos, warnings)?;
    let eos = token(header, EOS, tokens, defaults.eos, warnings)?;
    let adds_bos = header.switch(ADD_BOS)?.unwrap_or(adds_bos);
    Ok(Tokenizer::of(inner, bos.into_iter().collect(), adds_bos).ending_with(eos))
}

/// Pieces with scores.
fn sentencepiece(header: &GgufHeader, warnings: &mut Vec<String>) -> Result<Tokenizer> {
    let fail = |problem: &str| Error::model(&header.file, format!("its tokenizer {problem}"));
    let pieces = required(header, TOKENS, header.texts(TOKENS)?)?;
    warnings.extend(repeated(pieces));
    let scores = required(header, SCORES, header.floats(SCORES)?)?;
    let types = required(header, TOKEN_TYPE, types(header, pieces.len())?)?;
    if scores.len() != pieces.len() {
        return Err(unequal(header, SCORES, scores.len(), pieces.len()));
    }
    if let Some(place) = scores.iter().position(|score| !score.is_finite()) {
        let problem = format!(
            "metadata key {SCORES}: the score of token {place} ({:?}) is {}; expected a finite number",
            pieces[place], scores[place]
        );
        return Err(Error::model(&header.file, problem));
    }
    if header.switch(EXTRA_SPACES)? == Some(true)
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
    let unknown = token(header, UNK, pieces, SCORED_UNKNOWN, warnings)?;
    let inner = SentencePiece::new(
        pieces.to_vec(),
        types.iter().map(kind).collect(),
        scores.to_vec(),
        unknown.ok_or_else(|| fail("has no tokens"))?,
        header.switch(SPACE_PREFIX)?.unwrap_or(true),
    );
    let inner = Inner::SentencePiece(Box::new(inner));
    with_ends(header, inner, pieces, (SCORED, true), warnings)
}

/// Byte-level BPE.
fn byte_pairs(header: &GgufHeader, warnings: &mut Vec<String>) -> Result<Tokenizer> {
    let pre = header.text(PRE)?;
    let Some(cut) = cut(pre.unwrap_or("default")) else {
        let problem = format!(
            "its tokenizer cuts text as {:?} does; supported: default, gpt-2, smollm, llama-bpe, qwen2",
            pre.unwrap_or_default()
        );
        return Err(Error::model(&header.file, problem));
    };
    if pre.is_none() {
        warnings.push(format!(
            "metadata key {PRE} is missing: text is cut by the default rules of llama.cpp, which may not be those that the \
             model was trained with"
        ));
    }
    let tokens = required(header, TOKENS, header.texts(TOKENS)?)?;
    let merges = required(header, MERGES, header.texts(MERGES)?)?;
    warnings.extend(repeated(tokens));
    let types = types(header, tokens.len())?.unwrap_or_default();
    let json = json!({
        "version": "1.0",
        "added_tokens": added(tokens, types),
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
    let inner = Inner::Library(inner);
    with_ends(header, inner, tokens, (MERGED, cut.adds_bos), warnings)
}

/// What to say of a token that is listed twice.
fn repeated(tokens: &[String]) -> Option<String> {
    let mut seen = BTreeMap::new();
    tokens.iter().enumerate().find_map(|(id, token)| {
        let before = seen.insert(token, id)?;
        Some(format!(
            "metadata key {TOKENS} has {token:?} as token {before} and as token {id}: text becomes the later one"
        ))
    })
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
