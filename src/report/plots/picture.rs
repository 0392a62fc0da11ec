//! Our SVG as PDF, PNG and SVG with outlined text. The font is part of the program, so that the same figure gives the
//! same bytes on every machine.

use std::sync::Arc;

use resvg::{tiny_skia, usvg};

use super::drawable::drawable;
use crate::contain::contained;
use crate::error::{Error, Result};
use crate::report::CircuitFile;
use crate::report::Exporter;
use crate::report::circuit::figure::{Figure, FigureOptions};
use crate::report::own_file::{marked_pdf, marked_png, marked_svg};
use crate::report::to_svg;

/// Pixels of a PNG at most, in both directions together.
pub const MOST_PIXELS: u64 = 200_000_000;

/// Writes PDF, with lines as lines and text as outlines.
#[derive(Debug)]
pub struct Pdf;

impl Exporter for Pdf {
    fn name(&self) -> &'static str {
        "pdf"
    }

    fn about(&self) -> &'static str {
        "vector graphics, text as outlines, for LaTeX"
    }

    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>> {
        to_pdf(&to_svg(&Figure::with(file, options)?), &file.name)
    }
}

/// Writes PNG.
#[derive(Debug)]
pub struct Png;

impl Exporter for Png {
    fn name(&self) -> &'static str {
        "png"
    }

    fn about(&self) -> &'static str {
        "pixels"
    }

    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>> {
        let svg = to_svg(&Figure::with(file, options)?);
        to_png(&svg, &file.name, options.pixels)
    }
}

/// What `work` makes of a picture's parts, with text laid out in our font. `name` is for messages.
///
/// # Errors
/// When the text is no SVG of the kind that we draw, or as `work`.
pub(crate) fn drawn<T: Send>(
    svg: &str,
    name: &str,
    work: impl FnOnce(&usvg::Tree) -> Result<T> + Send,
) -> Result<T> {
    // Sums of permitted numbers can still be too large for the libraries.
    contained(|| work(&parse(svg, name)?)).unwrap_or_else(|panic| {
        let problem = format!("cannot be drawn: {panic}");
        Err(Error::data(name, problem))
    })
}

fn parse(svg: &str, name: &str) -> Result<usvg::Tree> {
    let mut options = usvg::Options {
        // Nothing outside of the text is read.
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..usvg::Options::default()
    };
    let fonts = options.fontdb_mut();
    for font in [
        dejavu::sans_condensed::regular(),
        dejavu::sans_condensed::bold(),
    ] {
        fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::new(font)));
    }
    let families = fonts.faces().flat_map(|face| &face.families);
    let family = families.map(|(name, _)| name.clone()).next();
    let family = family.ok_or_else(|| Error::Bug("the embedded font has no name".into()))?;
    fonts.set_sans_serif_family(family.clone());
    options.font_family = family;
    let not_ours = |problem: String| {
        let hint = "hint: `render` converts SVG files that secateur wrote";
        Error::data(
            name,
            format!("not an SVG picture of secateur: {problem}\n{hint}"),
        )
    };
    let document = drawable(svg).map_err(not_ours)?;
    usvg::Tree::from_xmltree(&document, &options).map_err(|error| not_ours(error.to_string()))
}

/// Refuses an SVG file that no other format can be made of: one that is none, or not of the kind that we draw.
///
/// # Errors
/// With what is wrong and its line.
pub fn check_svg(svg: &str, name: &str) -> Result<()> {
    drawn(svg, name, |_| Ok(()))
}

/// An SVG picture as PDF, a pixel as a point, its text as outlines. `name` is for messages.
///
/// # Errors
/// When the text is no SVG.
pub fn to_pdf(svg: &str, name: &str) -> Result<Vec<u8>> {
    // Embedded fonts would get their numbers in the order of a hash table.
    drawn(&outlined(svg, name)?, name, |tree| {
        let (options, page) = Default::default();
        svg2pdf::to_pdf(tree, options, page)
            .map(|pdf| marked_pdf(in_order(&pdf)))
            .map_err(|error| Error::data(name, format!("cannot be written as PDF: {error}")))
    })
}

/// A PDF whose resources are in order: they come in that of a hash table, another in each run. Entries trade places within
/// their object, so no object moves.
fn in_order(pdf: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = pdf.split(|byte| *byte == b'\n').collect();
    let is_entry = |line: &[u8]| {
        let line = line.trim_ascii_start();
        line.starts_with(b"/") && line.ends_with(b" 0 R")
    };
    let (mut from, mut in_stream) = (0, false);
    while from < lines.len() {
        match lines[from] {
            b"stream" => in_stream = true,
            b"endstream" => in_stream = false,
            _ => {}
        }
        let entries = lines[from..].iter().take_while(|line| is_entry(line));
        let count = if in_stream { 0 } else { entries.count() };
        lines[from..from + count].sort_unstable();
        from += count.max(1);
    }
    lines.join(&b'\n')
}

/// An SVG picture as PNG, this many pixels wide, by default twice its size. `name` is for messages.
///
/// # Errors
/// When the text is no SVG, or the picture would have no pixels or more than [`MOST_PIXELS`].
pub fn to_png(svg: &str, name: &str, width: Option<u32>) -> Result<Vec<u8>> {
    drawn(svg, name, |tree| png(tree, width))
}

fn png(tree: &usvg::Tree, width: Option<u32>) -> Result<Vec<u8>> {
    let size = tree.size();
    let width = width.unwrap_or((2.0 * size.width()).ceil() as u32);
    let scale = f64::from(width) / f64::from(size.width());
    let height = (f64::from(size.height()) * scale).ceil();
    if width == 0 || f64::from(width) * height > MOST_PIXELS as f64 {
        return Err(Error::Usage(format!(
            "a picture of {width} x {height:.0} pixels cannot be drawn; at most {MOST_PIXELS} pixels can"
        )));
    }
    let mut pixels = tiny_skia::Pixmap::new(width, height as u32)
        .ok_or_else(|| Error::Bug(format!("no pixmap of {width} x {height}")))?;
    // To the last row of pixels, which would be half empty otherwise.
    let down = height / f64::from(size.height());
    let transform = tiny_skia::Transform::from_scale(scale as f32, down as f32);
    resvg::render(tree, transform, &mut pixels.as_mut());
    pixels
        .encode_png()
        .map(|png| marked_png(&png))
        .map_err(|error| Error::Bug(format!("PNG: {error}")))
}

/// An SVG picture with text as outlines, which looks the same wherever it is shown. `name` is for messages.
///
/// # Errors
/// When the text is no SVG.
pub fn outlined(svg: &str, name: &str) -> Result<String> {
    let options = usvg::WriteOptions {
        preserve_text: false,
        coordinates_precision: 2,
        transforms_precision: 4,
        ..usvg::WriteOptions::default()
    };
    drawn(svg, name, |tree| Ok(marked_svg(&tree.to_string(&options))))
}
