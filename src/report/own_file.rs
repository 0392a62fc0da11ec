//! Files of ours by what is in them: a drawing may take the place of one that was drawn before, never of a user's file.

use super::compare::is_comparison;
use super::html::PAGE_START;
use super::paper::NUMBERS_START;
use crate::error::{Error, Result};

/// In drawings of formats whose beginning is like that of other programs' files.
pub(super) const MARK: &str = "drawn by secateur";
/// In the metadata of files of logits.
const LOGITS_FORMAT: &str = "secateur-logits-1";
/// What a PNG of ours has after its header: a text, `Software: secateur`, with its length in front and its sum after it.
#[cfg(feature = "pictures")]
const PNG_TEXT: &[u8] = b"\0\0\0\x11tEXtSoftware\0secateur\xbf\xd9\xa9\xcc";
/// Bytes of a PNG's signature and header.
#[cfg(feature = "pictures")]
const PNG_HEADER: usize = 33;

/// A kind of file that commands write where they are told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnFile {
    /// A picture in SVG.
    Svg,
    /// Graphviz source.
    Dot,
    /// A page.
    Html,
    /// A picture in PDF.
    Pdf,
    /// A picture in PNG.
    Png,
    /// A `tikzpicture`.
    Tikz,
    /// `numbers.tex`.
    Numbers,
    /// A table of `compare`, in text, CSV, Markdown or LaTeX.
    Comparison,
    /// Logits of `logits`.
    Logits,
}

impl OwnFile {
    /// Bytes at the start and at the end of a file that are enough to know it.
    pub const ENDS: usize = 4096;

    /// What a file is, by its first and last [`Self::ENDS`] bytes; none where it is not ours.
    pub fn of(start: &[u8], end: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(start);
        let last = String::from_utf8_lossy(end);
        let first = text.lines().next().unwrap_or_default();
        if text.starts_with("<svg ") {
            let plain = first.contains("version=\"1.1\"")
                && first.contains("font-family=\"Helvetica, Arial, sans-serif\" font-size=");
            return (plain || last.contains(MARK)).then_some(Self::Svg);
        }
        if start.starts_with(b"%PDF-") {
            return last.contains(MARK).then_some(Self::Pdf);
        }
        if start.starts_with(b"\x89PNG") {
            let ours = text.contains("tEXtSoftware\0secateur");
            return ours.then_some(Self::Png);
        }
        if text.starts_with("digraph circuit {\n  graph [rankdir=") {
            return Some(Self::Dot);
        }
        if text.starts_with(PAGE_START) {
            return Some(Self::Html);
        }
        if text.starts_with("% needs \\usepackage{tikz}\n\\begin{tikzpicture}[x=1bp,y=-1bp]") {
            return Some(Self::Tikz);
        }
        if text.starts_with(NUMBERS_START) {
            return Some(Self::Numbers);
        }
        if is_comparison(&text) {
            return Some(Self::Comparison);
        }
        text.contains(LOGITS_FORMAT).then_some(Self::Logits)
    }

    /// What it is, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Svg => "an SVG picture",
            Self::Dot => "a Graphviz file",
            Self::Html => "a page",
            Self::Pdf => "a PDF picture",
            Self::Png => "a PNG picture",
            Self::Tikz => "a tikzpicture",
            Self::Numbers => "a file of numbers",
            Self::Comparison => "a table of results",
            Self::Logits => "a file of logits",
        }
    }
}

/// The bytes of a file of logits: a tensor `logits`, `[rows, d_out]`.
///
/// # Errors
/// Never for numbers; the serialiser's signature allows it.
pub fn logits_safetensors(rows: &[Vec<f32>], width: usize) -> Result<Vec<u8>> {
    let values: Vec<f32> = rows.iter().flatten().copied().collect();
    if values.len() != rows.len() * width {
        return Err(Error::Bug(format!("logits that are not rows of {width}")));
    }
    let metadata = serde_json::json!({ "format": LOGITS_FORMAT });
    let tensor = ("logits".into(), vec![rows.len(), width], &values[..]);
    super::tensor_file::tensor_file(&metadata, &[tensor])
}

/// A PDF that says whose it is, in a comment that readers pass over.
#[cfg(feature = "pictures")]
pub(super) fn marked_pdf(pdf: Vec<u8>) -> Vec<u8> {
    // In front of it, no object would be where the table says.
    let before = b"startxref";
    let Some(place) = pdf.windows(before.len()).rposition(|it| it == before) else {
        return pdf;
    };
    let mark = format!("% {MARK}\n");
    [&pdf[..place], mark.as_bytes(), &pdf[place..]].concat()
}

/// A PNG that says whose it is.
#[cfg(feature = "pictures")]
pub(super) fn marked_png(png: &[u8]) -> Vec<u8> {
    let (header, rest) = png.split_at(PNG_HEADER.min(png.len()));
    [header, PNG_TEXT, rest].concat()
}

/// An SVG picture of the library's writing that says whose it is.
#[cfg(feature = "pictures")]
pub(super) fn marked_svg(svg: &str) -> String {
    format!("{}\n<!-- {MARK} -->\n", svg.trim_end())
}
