//! Token spans: which tokens of a prompt play which part, for circuits whose positions are told apart.

use super::LoadRequest;
use super::example::Span;
use crate::error::Result;
use crate::model::Tokenizer;

/// The span of a beginning-of-sequence token that is put in front of text.
pub(super) const BOS: &str = "BOS";
/// The span of the tokens of a teacher-forced answer.
pub(super) const ANSWER: &str = "answer";

/// A part of a prompt's text with the name of its span.
pub(super) type Piece<'a> = (&'a str, String);

/// The spans of a prompt that is made of these pieces, in order.
///
/// `Err` names the piece that ends within a token.
pub(super) fn of_pieces<'p>(
    request: &LoadRequest<'_>,
    tokenizer: &Tokenizer,
    tokens: &[u32],
    pieces: &'p [Piece<'_>],
) -> Result<std::result::Result<Vec<Span>, &'p str>> {
    let mut spans = Vec::new();
    let mut taken = 0;
    if tokenizer.prepends_bos(request.prepend_bos) {
        taken = 1;
        push(&mut spans, BOS, 1);
    }
    let mut text = String::new();
    for (index, (name, piece)) in pieces.iter().enumerate() {
        text += piece;
        let end = if index + 1 == pieces.len() {
            tokens.len()
        } else {
            let before = tokenizer.encode(&text, request.prepend_bos)?;
            if !tokens.starts_with(&before) || before.len() < taken {
                return Ok(Err(piece));
            }
            before.len()
        };
        push(&mut spans, name, end - taken);
        taken = end;
    }
    Ok(Ok(spans))
}

/// Adds tokens of a span.
pub(super) fn push(spans: &mut Vec<Span>, name: &str, tokens: usize) {
    if tokens > 0 {
        spans.push(Span {
            name: name.into(),
            tokens,
        });
    }
}

/// The pieces of a template, whose `{key}` are filled: each is a piece of its own, the text between them makes pieces with
/// the names of `between`, in order. A space goes with the word after it.
pub(super) fn pieces<'a>(
    template: &str,
    fillings: &[(&str, &'a str, &str)],
    between: &[&'a str],
) -> Vec<Piece<'a>> {
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    let mut names = between.iter();
    let mut rest = template;
    let mut space = "";
    while !rest.is_empty() {
        let next = fillings
            .iter()
            .filter_map(|filling| Some((rest.find(filling.0)?, filling)))
            .min_by_key(|(place, _)| *place);
        let (text, filling) = match next {
            Some((place, filling)) => (&rest[..place], Some(filling)),
            None => (rest, None),
        };
        let text = format!("{space}{text}");
        let kept = match filling {
            Some(_) => text.trim_end_matches(' '),
            None => &text,
        };
        if !kept.is_empty()
            && let Some(name) = names.next()
        {
            pieces.push((name, kept.to_owned()));
        }
        let own = if kept.len() < text.len() { " " } else { "" };
        if let Some((key, name, value)) = filling {
            pieces.push((name, format!("{own}{value}")));
            rest = &rest[text.len() - space.len() + key.len()..];
            space = "";
        } else {
            rest = "";
        }
    }
    pieces
}

/// The same with the last word as a piece of its own: the position at which most tasks are answered.
pub(super) fn with_end(mut pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    if let Some((_, text)) = pieces.last_mut()
        && let Some(space) = text.rfind(' ').filter(|&space| space > 0)
    {
        let end = text.split_off(space);
        pieces.push(("END", end));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::{pieces, with_end};

    #[test]
    fn templates_fall_into_the_text_they_give() {
        let template = "Then, {1} and {2} met at the inn. {S} gave a ring to";
        let filled = [
            ("{1}", "IO", "Mary"),
            ("{2}", "S1", "John"),
            ("{S}", "S2", "John"),
        ];
        let found = with_end(pieces(
            template,
            &filled,
            &["start", "and", "middle", "action"],
        ));
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["start", "IO", "and", "S1", "middle", "S2", "action", "END"]
        );
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Then,",
                " Mary",
                " and",
                " John",
                " met at the inn.",
                " John",
                " gave a ring",
                " to"
            ]
        );
        let first = pieces("{1} and {2}", &filled, &["and"]);
        assert_eq!(first[0], ("IO", "Mary".into()));
        assert_eq!(first[2], ("S1", " John".into()));
    }
}
