//! Paths as text: in specs, references to models and records. A byte that is not UTF-8 is written `\xNN` there, so that
//! every path of the command line has a text, and the text leads back to the file.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What stands in front of the two digits of a byte.
const MARK: &str = "\\x";

/// The text of a path, or of an argument that holds one.
pub fn written(path: impl AsRef<OsStr>) -> String {
    written_as(path.as_ref(), MARK)
}

/// The text of an argument in RON, whose strings hold paths.
pub fn written_in_ron(argument: &OsStr) -> String {
    written_as(argument, "\\\\x")
}

fn written_as(path: &OsStr, mark: &str) -> String {
    let mut out = String::new();
    for chunk in path.as_encoded_bytes().utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(out, "{mark}{byte:02x}").expect("writing to a string never fails");
        }
    }
    out
}

/// The place of a path that a text names, relative to `base`. A file whose name is that very text comes first.
pub fn place(base: &Path, text: impl AsRef<Path>) -> PathBuf {
    let text = text.as_ref();
    // The base may be `.` too, and a message with `./././model` is not what the user typed.
    let short = text.strip_prefix(".").ok();
    let text = short.filter(|it| *it != Path::new("")).unwrap_or(text);
    let literal = base.join(text);
    match text.to_str().map(read) {
        Some(Cow::Owned(path)) if !literal.exists() => base.join(path),
        _ => literal,
    }
}

/// The path that a text stands for.
#[cfg(unix)]
fn read(text: &str) -> Cow<'_, Path> {
    use std::os::unix::ffi::OsStringExt;

    let mut parts = text.split(MARK);
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    let mut found = false;
    for part in parts {
        // What is UTF-8 is never written so.
        let byte = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte.filter(|byte| !byte.is_ascii()) {
            bytes.push(byte);
            bytes.extend_from_slice(&part.as_bytes()[2..]);
            found = true;
        } else {
            bytes.extend_from_slice(MARK.as_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    if found {
        Cow::Owned(std::ffi::OsString::from_vec(bytes).into())
    } else {
        Cow::Borrowed(Path::new(text))
    }
}

#[cfg(not(unix))]
fn read(text: &str) -> Cow<'_, Path> {
    Cow::Borrowed(Path::new(text))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn every_path_has_a_text_that_leads_back() {
        let folder = tempfile::tempdir().expect("a folder");
        for bytes in [
            &b"plain"[..],
            b"m\xff\xfe.gguf",
            b"\xe9t\xe9",
            b"a\\xff",
            b"a\\xzz\xc3",
        ] {
            let name = OsStr::from_bytes(bytes);
            fs_err::write(folder.path().join(name), bytes).expect("a file");
            let found = place(folder.path(), written(name));
            assert_eq!(found, folder.path().join(name));
        }
        assert_eq!(written(OsStr::from_bytes(b"m\xff")), "m\\xff");
        assert_eq!(
            written_in_ron(OsStr::from_bytes(b"File(\"m\xff\")")),
            "File(\"m\\\\xff\")"
        );
        assert_eq!(place(Path::new("/"), "a\\x41"), Path::new("/a\\x41"));
    }

    #[test]
    fn a_dot_in_front_stands_once() {
        for (text, path) in [
            ("././a/./b", "./a/b"),
            ("./a", "./a"),
            ("a", "./a"),
            ("/a", "/a"),
        ] {
            assert_eq!(place(Path::new("."), text), Path::new(path), "{text}");
            let shown = place(Path::new("."), text).display().to_string();
            assert!(!shown.starts_with("././"), "{shown}");
        }
        assert_eq!(place(Path::new("."), "."), Path::new("."));
    }
}
