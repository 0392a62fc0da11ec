//! The spans of a row: `"spans": [["subject", " John"], ..]` with the pieces of a text, or `[["subject", 1], ..]` with
//! numbers of tokens.

use serde_json::{Map, Value};

use super::{LoadRequest, Span, spans};
use crate::model::Tokenizer;

/// The spans of a row of text: the names and texts of pieces that make up the clean prompt.
pub(super) fn spans_of_text(
    row: &Map<String, Value>,
    (request, tokenizer): (&LoadRequest<'_>, &Tokenizer),
    clean: &str,
    tokens: &[u32],
) -> Result<Vec<Span>, String> {
    let pieces = pieces(row, |piece| match piece {
        Value::String(text) => Ok(text.clone()),
        _ => Err(format!(
            "`spans` has {piece}, which is not text; a span of a text is [\"name\", \"its part of the text\"]"
        )),
    })?;
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    let whole: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
    if whole != clean {
        return Err(format!(
            "the texts of `spans` make up {whole:?} and `clean` is {clean:?}; they must be the same, spaces included"
        ));
    }
    let found = spans::of_pieces(request, tokenizer, tokens, &pieces);
    found.map_err(|error| error.to_string())?.map_err(|piece| {
        format!(
            "`spans`: the piece {piece:?} ends within a token of this tokenizer; spaces usually belong to the word after \
             them"
        )
    })
}

/// The spans of a row of token ids: names with numbers of tokens.
pub(super) fn spans_of_ids(row: &Map<String, Value>, tokens: usize) -> Result<Vec<Span>, String> {
    let pieces = pieces(row, |count| {
        let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| {
            "`spans` of token ids have numbers of tokens: [[\"subject\", 1], [\"verb\", 2]]".into()
        })
    })?;
    let total = pieces
        .iter()
        .fold(0_usize, |total, (_, count)| total.saturating_add(*count));
    if !pieces.is_empty() && total != tokens {
        return Err(format!(
            "the tokens of `spans` add up to {total} and `clean` has {tokens}; give each token a span"
        ));
    }
    let mut found = Vec::new();
    for (name, count) in pieces {
        spans::push(&mut found, name, count);
    }
    Ok(found)
}

/// Names with what stands beside them.
fn pieces<T>(
    row: &Map<String, Value>,
    mut second: impl FnMut(&Value) -> Result<T, String>,
) -> Result<Vec<(&str, T)>, String> {
    let Some(value) = row.get("spans") else {
        return Ok(Vec::new());
    };
    let wrong = || {
        format!(
            "`spans` is {value}; it is a list of pairs of a name and a part, in the order of the prompt"
        )
    };
    let mut pieces = Vec::new();
    for pair in value.as_array().ok_or_else(wrong)? {
        match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(name), part]) => {
                pieces.push((name.as_str(), second(part)?));
            }
            _ => return Err(wrong()),
        }
    }
    Ok(pieces)
}
