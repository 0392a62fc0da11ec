//! What an SVG file may hold to be converted: the elements and attributes of our own drawings, with plain numbers.
//!
//! The libraries that draw are not made for files of strangers: deep nesting overflows their stack, `use` and patterns
//! multiply, huge numbers panic, `image` reads other files. Our drawings need none of it, so it is refused by name.

use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};

/// Largest text.
const MOST_BYTES: usize = 256 << 20;
/// Elements, texts and comments of a drawing at most.
const MOST_NODES: u32 = 4_000_000;
/// Elements within each other.
const DEEPEST: usize = 64;
/// Characters of a text that is set.
const LONGEST_TEXT: usize = 10_000;
/// Largest coordinate, length or factor.
const LARGEST: f64 = 1e6;

const ELEMENTS: [&str; 11] = [
    "svg", "g", "defs", "rect", "line", "polyline", "polygon", "path", "circle", "text", "title",
];

/// Attributes that are words.
const WORDS: [&str; 20] = [
    "class",
    "id",
    "version",
    "fill",
    "fill-rule",
    "stroke",
    "stroke-linecap",
    "stroke-linejoin",
    "font-family",
    "font-style",
    "font-weight",
    "text-anchor",
    "text-rendering",
    "shape-rendering",
    "visibility",
    "display",
    "role",
    "aria-label",
    "preserveAspectRatio",
    "paint-order",
];

/// Attributes that are one number, which may have a unit.
const NUMBERS: [&str; 20] = [
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "width",
    "height",
    "font-size",
    "stroke-width",
    "stroke-dashoffset",
    "stroke-miterlimit",
    "opacity",
    "fill-opacity",
    "stroke-opacity",
];

/// Attributes that hold numbers among other signs.
const MIXED: [&str; 5] = ["viewBox", "transform", "d", "points", "stroke-dasharray"];

/// A drawing that may be given to the libraries that draw.
///
/// # Errors
/// What is wrong with it, with its line.
pub(crate) fn drawable(svg: &str) -> Result<Document<'_>, String> {
    if svg.len() > MOST_BYTES {
        return Err(format!("larger than {} MiB", MOST_BYTES >> 20));
    }
    // Before the parser, which goes down with the elements.
    let depth = depth(svg);
    if depth > DEEPEST {
        return Err(format!(
            "{depth} elements within each other, at most {DEEPEST} can be"
        ));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_NODES,
    };
    let document = Document::parse_with_options(svg, options).map_err(|error| error.to_string())?;
    for node in document.descendants().filter(Node::is_element) {
        check(node).map_err(|problem| {
            let line = document.text_pos_at(node.range().start).row;
            format!("line {line}: {problem}")
        })?;
    }
    if !document
        .root_element()
        .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
    {
        return Err("it does not begin with <svg xmlns=\"http://www.w3.org/2000/svg\">".into());
    }
    Ok(document)
}

fn check(element: Node<'_, '_>) -> Result<(), String> {
    let name = element.tag_name().name();
    let is_root = element.parent_element().is_none();
    if !ELEMENTS.contains(&name) || (name == "svg") != is_root {
        return Err(format!("<{name}> is not in drawings of secateur"));
    }
    for attribute in element.attributes() {
        let (key, value) = (attribute.name(), attribute.value());
        let fits = if WORDS.contains(&key) {
            value.len() <= LONGEST_TEXT && !value.contains("url(")
        } else if NUMBERS.contains(&key) {
            is_number(value)
        } else if MIXED.contains(&key) {
            numbers_are_small(value)
        } else if attribute.namespace() == Some("http://www.w3.org/XML/1998/namespace") {
            true
        } else {
            return Err(format!("{key} of <{name}> is not in drawings of secateur"));
        };
        if !fits {
            let shown: String = value.chars().take(40).collect();
            return Err(format!(
                "{key}={shown:?} of <{name}>: expected a plain value, with numbers up to {LARGEST}"
            ));
        }
    }
    let long = |node: Node<'_, '_>| node.text().is_some_and(|text| text.len() > LONGEST_TEXT);
    if name == "text" && element.children().any(long) {
        return Err(format!("a text of more than {LONGEST_TEXT} bytes"));
    }
    Ok(())
}

fn is_number(value: &str) -> bool {
    let value = value.trim();
    let end = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == '%');
    let unit = &value[end.len()..];
    let plain = end.bytes().all(|byte| b"0123456789.+-eE".contains(&byte));
    let known = ["", "%", "px", "pt", "em", "mm", "cm", "in"].contains(&unit);
    let number = end.parse::<f64>();
    plain && known && number.is_ok_and(|number| number.abs() <= LARGEST)
}

/// Whether every number among other signs is small enough, and none has more digits than a number needs.
fn numbers_are_small(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = |from: usize| {
        let rest = &bytes[from..];
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += digits(at);
        if bytes.get(at) == Some(&b'.') {
            at += 1 + digits(at + 1);
        }
        if at == start {
            at += 1;
            continue;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent > 0 {
                at += 1 + sign + exponent;
            }
        }
        let small = |text: &str| text.parse::<f64>().is_ok_and(|number| number <= LARGEST);
        if at - start > 40 || !(small(&value[start..at]) || &value[start..at] == ".") {
            return false;
        }
    }
    true
}

/// How deep elements are within each other, as far as text that may not be XML tells.
fn depth(svg: &str) -> usize {
    let bytes = svg.as_bytes();
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == b'<') {
        at += next + 1;
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
        let skipped = skipped
            .iter()
            .find(|(start, _)| bytes[at..].starts_with(start.as_bytes()));
        if let Some((_, end)) = skipped {
            match svg.get(at..).and_then(|rest| rest.find(end)) {
                Some(length) => at += length,
                None => break,
            }
            continue;
        }
        if bytes.get(at) == Some(&b'/') {
            depth = depth.saturating_sub(1);
            continue;
        }
        // To the end of the tag; `>` may stand between quotes.
        let mut quote = None;
        let mut last = b'<';
        while let Some(&byte) = bytes.get(at) {
            match quote {
                Some(open) if byte == open => quote = None,
                None if byte == b'"' || byte == b'\'' => quote = Some(byte),
                None if byte == b'>' => break,
                _ => {}
            }
            last = byte;
            at += 1;
        }
        if last != b'/' {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_that_of_elements() {
        assert_eq!(depth("<a><b/><c d='>'><!-- <x><y><z> --></c></a>"), 2);
        assert_eq!(depth(&"<g>".repeat(100_000)), 100_000);
        assert_eq!(depth("<a><![CDATA[<b><c>]]></a><"), 1);
    }

    #[test]
    fn numbers_are_plain_and_small() {
        for good in ["1", "-2.5", "100%", "12px", "1e3", ".5"] {
            assert!(is_number(good), "{good}");
        }
        for bad in [
            "",
            "nan",
            "inf",
            "97.5.5",
            "2147483647",
            "1e39",
            "1foo",
            "1e400",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
        assert!(numbers_are_small("M46.8 -86.6h4.8l-3 3.6L.5.5-1e-2Z"));
        assert!(numbers_are_small("rotate(-90 1.5 2)"));
        for bad in ["M0 1e7", "M0 2147483647", "M0 1e999", &"9".repeat(50)] {
            assert!(!numbers_are_small(bad), "{bad}");
        }
    }
}
