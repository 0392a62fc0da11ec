//! Words as tokens, in the context of a prompt.

use super::LoadRequest;
use crate::error::{Error, Result};
use crate::model::{PrependBos, Tokenizer};

/// The tokenizer that a task made of text needs.
pub(super) fn tokenizer<'a>(request: &LoadRequest<'a>, source: &str) -> Result<&'a Tokenizer> {
    request.tokenizer.ok_or_else(|| {
        let problem = format!(
            "missing, and {source} is made of text; use a `Tokens` task, whose rows are token ids"
        );
        Error::model("tokenizer", problem)
    })
}

/// The token that `word` is when it follows `prompt`; `None` when it is several tokens or unknown.
pub(super) fn continuation(tokenizer: &Tokenizer, prompt: &str, word: &str) -> Result<Option<u32>> {
    let tokens = continuations(tokenizer, prompt, word)?;
    Ok(match tokens.as_deref() {
        Some([token]) => Some(*token),
        _ => None,
    })
}

/// The tokens that `text` is when it follows `prompt`: those that are added after the prompt's own, or, where the
/// tokenizer would merge the two, those that `text` is alone. `None` when some are unknown, or there are none.
pub(super) fn continuations(
    tokenizer: &Tokenizer,
    prompt: &str,
    text: &str,
) -> Result<Option<Vec<u32>>> {
    let before = tokenizer.encode(prompt, PrependBos::Never)?;
    let after = tokenizer.encode(&format!("{prompt}{text}"), PrependBos::Never)?;
    let tokens = match after.strip_prefix(before.as_slice()) {
        Some(tokens) => tokens.to_vec(),
        None => tokenizer.encode(text, PrependBos::Never)?,
    };
    // A token for unknown words does not give the word back.
    let back = tokenizer.decode(&tokens);
    let known = back.trim().to_lowercase() == text.trim().to_lowercase();
    Ok((known && !tokens.is_empty()).then_some(tokens))
}

/// The words that are one token with a space in front, each with this token.
pub(super) fn spaced<'a>(tokenizer: &Tokenizer, words: &[&'a str]) -> Result<Vec<(&'a str, u32)>> {
    let mut kept = Vec::new();
    for word in words {
        if let Some(token) = continuation(tokenizer, "the", &format!(" {word}"))? {
            kept.push((*word, token));
        }
    }
    Ok(kept)
}

/// Fails when fewer than `needed` of some words are left.
pub(super) fn enough<T>(kept: &[T], needed: usize, what: &str, source: &str) -> Result<()> {
    if kept.len() >= needed {
        return Ok(());
    }
    let problem = format!(
        "only {} {what} are single tokens of this tokenizer and at least {needed} are needed; give rows of your \
         own with `File` or `Tokens`",
        kept.len()
    );
    Err(Error::data(source, problem))
}
