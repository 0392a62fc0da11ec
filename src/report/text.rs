//! Text for file formats: escapes, numbers, clipping.

use std::fmt::{self, Write};

use crate::visible::is_hidden;

/// A growing file.
#[derive(Default)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) {
        self.0
            .write_fmt(line)
            .expect("writing to a string never fails");
        self.0.push('\n');
    }
}

/// Characters of a title or caption that a figure shows at most.
const LONGEST: usize = 400;

/// One line of text: hidden characters replaced, very long text cut with an ellipsis.
pub(crate) fn one_line(text: &str) -> String {
    clip(text, LONGEST)
}

/// One line of at most this many characters.
pub(crate) fn clip(text: &str, longest: usize) -> String {
    let plain = |character: char| match character {
        '\n' | '\r' | '\t' => ' ',
        other if is_hidden(other) => '\u{fffd}',
        other => other,
    };
    if text.chars().count() <= longest {
        return text.chars().map(plain).collect();
    }
    let Some(kept) = longest.checked_sub(1) else {
        return String::new();
    };
    let cut = text.chars().take(kept).map(plain);
    cut.chain(std::iter::once('…')).collect()
}

/// Escapes text for XML content and attributes, and for the HTML-like labels of DOT.
pub(crate) fn xml(text: &str) -> String {
    markup(&one_line(text))
}

/// Escapes what means something in XML and HTML, in content and in quoted attributes.
pub(crate) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A quoted DOT string that shows `text` literally: no escape sequence, no entity.
pub(crate) fn dot_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in one_line(text).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Columns that a line takes in a terminal, of characters one column wide.
pub(crate) fn text_columns(text: &str) -> usize {
    text.chars().count()
}

/// A count with its noun, such as `1 feature` or `1,024 features`.
pub(crate) fn number_of(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", thousands(count))
}

/// An integer with thousands separators.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with about three significant digits.
pub(crate) fn short(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{number:.1e}");
    }
    let decimals = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 || size == 0.0 {
        2
    } else {
        3
    };
    format!("{number:.decimals$}")
}

/// Width of text in a sans-serif font, estimated from above.
pub(crate) fn text_width(text: &str, font_size: f64) -> f64 {
    let ems = |character: char| match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '\'' | ' ' | '\u{a0}' | '(' | ')' | '['
        | ']' => 0.4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.0,
        '+' | '=' | '<' | '>' | '~' | '^' | '#' | '&' => 0.8,
        other if other.is_ascii_uppercase() => 0.78,
        other if other.is_ascii() => 0.64,
        _ => 1.05,
    };
    text.chars().map(ems).sum::<f64>() * font_size
}

/// Breaks text into lines no wider than `width`, at spaces where there are any.
pub(crate) fn wrap(text: &str, font_size: f64, width: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let joined = format!("{line} {word}");
        if !line.is_empty() && text_width(&joined, font_size) <= width {
            line = joined;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            line.push(character);
            if text_width(&line, font_size) > width && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, character.to_string()));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A token with its spaces and line breaks to be seen.
pub(crate) fn visible(token: &str) -> String {
    if token.is_empty() {
        return "\u{2205}".into();
    }
    token
        .replace(' ', "\u{b7}")
        .replace('\n', "\u{21b5}")
        .replace('\t', "\u{2192}")
}
