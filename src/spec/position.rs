//! Where a key of a spec stands in its RON text, for mistakes that only show after parsing.
//!
//! The scanner knows just enough RON to walk a text that parses: names, brackets, strings and comments. A key that
//! is not written (a default) has the place of the innermost written value around it.

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of a struct, or the name of an enum variant.
    Name(String),
    /// An element of a list.
    Index(usize),
}

/// A way from the whole spec to one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// Reads `select.TopN.share`.
    pub(super) fn new(dotted: &str) -> Self {
        Self(
            dotted
                .split('.')
                .map(|name| Step::Name(name.to_owned()))
                .collect(),
        )
    }

    /// The element `index` of this list.
    pub(super) fn at(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

impl std::fmt::Display for KeyPath {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if nth == 0 => write!(out, "{name}")?,
                Step::Name(name) => write!(out, ".{name}")?,
                Step::Index(index) => write!(out, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Line and column, both from 1, of a key in a RON text.
pub(super) fn position_of(text: &str, path: &KeyPath) -> (usize, usize) {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_attributes();
    line_and_column(text, scanner.find(&path.0))
}

/// Whether a spec has this key at its top.
pub(super) fn has_key(text: &str, name: &str) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_attributes();
    // A key that is not there has the place of what is around it.
    let place = scanner.find(&KeyPath::new(name).0);
    text[place..].starts_with(name)
}

/// Line and column, both from 1, of a byte offset; columns count characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Moves past white space and comments.
    fn skip_trivia(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if self.rest().starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.rest().starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    /// Moves past a block comment, which may hold others.
    fn skip_block_comment(&mut self) {
        let mut depth = 0usize;
        while self.at < self.text.len() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.bump();
            }
        }
    }

    /// Moves past `#![enable(..)]` lines.
    fn skip_attributes(&mut self) {
        self.skip_trivia();
        while self.rest().starts_with("#!") {
            self.at += 2;
            self.skip_value();
            self.skip_trivia();
        }
    }

    /// Moves past one token and says which bracket it was, if any.
    fn skip_token(&mut self) -> Option<char> {
        if self.skip_string() || self.name().is_some() {
            return None;
        }
        let token = self.peek();
        self.bump();
        token
    }

    /// Moves past a string, raw string or character if one begins here.
    fn skip_string(&mut self) -> bool {
        let rest = self.rest();
        let prefix = rest.find(|letter| letter != 'b').unwrap_or(0).min(1);
        let body = &rest[prefix..];
        if let Some(raw) = body.strip_prefix('r') {
            let hashes = raw.len() - raw.trim_start_matches('#').len();
            if raw[hashes..].starts_with('"') {
                let start = prefix + 1 + hashes + 1;
                let close = format!("\"{}", "#".repeat(hashes));
                let length = rest[start..]
                    .find(&close)
                    .map_or(rest.len(), |end| start + end + close.len());
                self.at += length;
                return true;
            }
        }
        let Some(quote) = body.chars().next().filter(|&q| q == '"' || q == '\'') else {
            return false;
        };
        self.at += prefix + 1;
        while let Some(letter) = self.peek() {
            self.bump();
            if letter == '\\' {
                self.bump();
            } else if letter == quote {
                break;
            }
        }
        true
    }

    /// Moves past a name if one begins here.
    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        let body = &rest[raw..];
        let inside =
            |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '+');
        let length = body.find(|letter| !inside(letter)).unwrap_or(body.len());
        if length == 0 {
            return None;
        }
        self.at += raw + length;
        Some(&body[..length])
    }

    /// Moves to the comma or closing bracket after the value here.
    fn skip_value(&mut self) {
        let mut depth = 0usize;
        loop {
            self.skip_trivia();
            match self.peek() {
                None => return,
                Some(',' | ')' | ']' | '}') if depth == 0 => return,
                Some(_) => {}
            }
            match self.skip_token() {
                Some('(' | '[' | '{') => depth += 1,
                Some(')' | ']' | '}') => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// The offset of the value that `path` leads to, or of the last value on the way that is written.
    fn find(&mut self, path: &[Step]) -> usize {
        let Some(step) = path.first() else {
            self.skip_trivia();
            return self.at;
        };
        let (here, name, open) = loop {
            self.skip_trivia();
            let here = self.at;
            let name = if self.skip_string() {
                None
            } else {
                self.name()
            };
            self.skip_trivia();
            let open = self.peek();
            if name != Some("Some") || open != Some('(') {
                break (here, name, open);
            }
            self.bump();
        };
        match (step, open) {
            (Step::Name(wanted), _) if name == Some(wanted) => {
                if path.len() == 1 || open != Some('(') {
                    return here;
                }
                self.find_field(&path[1..], here)
            }
            (Step::Name(_), Some('(')) => self.find_field(path, here),
            (Step::Index(index), Some('[')) => self.find_element(*index, path, here),
            _ => here,
        }
    }

    /// The field that `path` begins with, inside the brackets that open here.
    fn find_field(&mut self, path: &[Step], outside: usize) -> usize {
        self.bump();
        loop {
            self.skip_trivia();
            let here = self.at;
            let Some(key) = self.name() else {
                return outside;
            };
            self.skip_trivia();
            if self.peek() != Some(':') {
                return outside;
            }
            self.bump();
            if matches!(&path[0], Step::Name(wanted) if wanted == key) {
                if path.len() == 1 {
                    return here;
                }
                return self.find(&path[1..]);
            }
            self.skip_value();
            if self.peek() != Some(',') {
                return outside;
            }
            self.bump();
        }
    }

    /// The element `index` of the list that opens here, and what `path` leads to in it.
    fn find_element(&mut self, index: usize, path: &[Step], outside: usize) -> usize {
        self.bump();
        for _ in 0..index {
            self.skip_value();
            if self.peek() != Some(',') {
                return outside;
            }
            self.bump();
        }
        self.find(&path[1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = r##"#![enable(implicit_some)]
// name: "not here"
RunSpec(
    /* models: [ /* nested */ */ name: "a (b, \" [", models: ["x,y", r#"z")"#, "w"],
    select: TopN(share: 3.0), granularity: (mlps: Neurons(
        layers: [1, 1], top: 0)),
    target: Some((faithfulness: 2.0)),
)"##;

    fn place(path: &KeyPath) -> (usize, usize) {
        position_of(TEXT, path)
    }

    #[test]
    fn keys_are_found_after_strings_and_comments() {
        assert_eq!(place(&KeyPath::new("name")), (4, 34));
        assert_eq!(place(&KeyPath::new("models").at(1)), (4, 70));
        assert_eq!(place(&KeyPath::new("models").at(2)), (4, 80));
        assert_eq!(place(&KeyPath::new("select.TopN.share")), (5, 18));
        assert_eq!(place(&KeyPath::new("select.TopN")), (5, 13));
        assert_eq!(
            place(&KeyPath::new("granularity.mlps.Neurons.top")),
            (6, 25)
        );
        assert_eq!(place(&KeyPath::new("target.faithfulness")), (7, 19));
    }

    #[test]
    fn keys_at_the_top_are_told_from_others() {
        assert!(has_key(TEXT, "models"));
        assert!(has_key(TEXT, "target"));
        assert!(!has_key(TEXT, "share"));
        assert!(!has_key(TEXT, "analysis"));
        assert!(has_key("(analysis: Neurons(), name: \"x\")", "analysis"));
        assert!(!has_key("", "analysis"));
    }

    #[test]
    fn brackets_may_be_as_deep_as_a_file_is_long() {
        let text = "Some(".repeat(200_000);
        assert!(!has_key(&text, "analysis"));
        assert_eq!(position_of(&text, &KeyPath::new("a.b")).0, 1);
    }

    #[test]
    fn a_key_that_is_not_written_has_the_place_around_it() {
        assert_eq!(place(&KeyPath::new("evaluate.held_out")), (3, 1));
        assert_eq!(place(&KeyPath::new("select.TopN.edges")), (5, 13));
    }

    #[test]
    fn paths_read_as_written() {
        assert_eq!(KeyPath::new("models").at(2).to_string(), "models[2]");
        assert_eq!(
            KeyPath::new("select.TopN.share").to_string(),
            "select.TopN.share"
        );
    }

    proptest! {
        #[test]
        fn any_text_has_a_place_without_panic(text in "[\"'()\\[\\]{}:,/*#!rb \\\\a\né]{0,60}") {
            let (line, column) = position_of(&text, &KeyPath::new("a.b").at(1));
            has_key(&text, "a");
            prop_assert!(line >= 1 && column >= 1);
        }
    }
}
