//! Characters that nobody sees, or that change what others look like: they may not be in names, and are escaped in
//! messages.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character has no picture of its own: control characters, marks that turn the direction of text, those of
/// no width, and separators of lines.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Text of several lines as a terminal may show it: every hidden character but line feeds and tabs by its number, such as
/// `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |character: char| is_hidden(character) && !matches!(character, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hidden(character) {
            write!(out, "\\u{{{:x}}}", u32::from(character))
                .expect("writing to a string never fails");
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Names that some systems keep for devices, whatever their extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Whether some systems keep a name for a device.
pub(crate) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    DEVICES
        .iter()
        .any(|device| match stem.strip_prefix(device) {
            Some("") => !matches!(*device, "com" | "lpt"),
            Some(port) => {
                matches!(*device, "com" | "lpt")
                    && port.len() == 1
                    && port.as_bytes()[0].is_ascii_digit()
            }
            None => false,
        })
}

/// Why a text cannot be the name of a file or folder, in words; none where it can.
pub fn file_name_problem(name: &str) -> Option<&'static str> {
    let forbidden = |letter: char| is_hidden(letter) || r#"/\:*?"<>|"#.contains(letter);
    if name.is_empty() {
        Some("expected a name")
    } else if name.starts_with('.') {
        Some("expected a name that does not begin with a dot")
    } else if name.contains(forbidden) {
        Some(
            r#"expected a name without / \ : * ? " < > |, control characters and characters that cannot be seen"#,
        )
    } else if name.trim() != name {
        Some("expected a name without space around it")
    } else if is_device(name) {
        Some("expected a name that is not that of a device on some systems, such as con or nul")
    } else if name.len() > 200 {
        Some("expected a name of at most 200 bytes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        for good in [
            "ioi",
            "a-b_c.d",
            "Größe 漢",
            "console",
            "com10",
            "lpt",
            "auxiliary",
        ] {
            assert_eq!(file_name_problem(good), None, "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\nb",
            " a",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}a",
            "NUL",
            "con.txt",
            "LPT1",
            "com9.x",
        ] {
            assert!(file_name_problem(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_hidden_is_shown_by_its_number() {
        assert_eq!(visible("plain é 漢 🙂\n\ttext"), "plain é 漢 🙂\n\ttext");
        assert_eq!(
            visible("\u{1b}[2J\u{202e}txt\u{200b}\r\u{7}"),
            "\\u{1b}[2J\\u{202e}txt\\u{200b}\\u{d}\\u{7}"
        );
    }
}
