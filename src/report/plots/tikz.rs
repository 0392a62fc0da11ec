//! Our SVG as a `TikZ` picture: lines as paths, text set by LaTeX in its own font. It needs the package `tikz` alone.

use std::collections::BTreeSet;

use resvg::tiny_skia::{PathSegment, Point, Transform};
use resvg::usvg;

use super::picture::drawn;
use crate::error::Result;
use crate::report::CircuitFile;
use crate::report::Exporter;
use crate::report::circuit::figure::{Figure, FigureOptions};
use crate::report::latex::plain_latex;
use crate::report::text::Text;
use crate::report::to_svg;

/// Writes `TikZ`.
#[derive(Debug)]
pub struct Tikz;

impl Exporter for Tikz {
    fn name(&self) -> &'static str {
        "tikz"
    }

    fn about(&self) -> &'static str {
        "a tikzpicture to \\input in LaTeX"
    }

    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>> {
        to_tikz(&to_svg(&Figure::with(file, options)?), &file.name).map(String::into_bytes)
    }
}

/// An SVG picture as a `tikzpicture`, a pixel as a big point. `name` is for messages.
///
/// # Errors
/// When the text is no SVG.
pub fn to_tikz(svg: &str, name: &str) -> Result<String> {
    let picture = drawn(svg, name, |tree| {
        let mut picture = Picture::default();
        picture.group(tree.root(), 1.0);
        Ok(picture)
    })?;
    let mut out = Text::default();
    out.line(format_args!("% needs \\usepackage{{tikz}}"));
    out.line(format_args!("\\begin{{tikzpicture}}[x=1bp,y=-1bp]"));
    for [red, green, blue] in &picture.colours {
        let hex = format!("{red:02X}{green:02X}{blue:02X}");
        out.line(format_args!(
            "\\definecolor{{{}}}{{HTML}}{{{hex}}}",
            colour_name([*red, *green, *blue])
        ));
    }
    out.0 += &picture.body.0;
    out.line(format_args!("\\end{{tikzpicture}}"));
    Ok(out.0)
}

/// What is drawn, and the colours it takes.
#[derive(Default)]
struct Picture {
    colours: BTreeSet<[u8; 3]>,
    body: Text,
}

/// A name of letters, as colours of other figures in the document must not be meant.
fn colour_name([red, green, blue]: [u8; 3]) -> String {
    let letters = [red, green, blue]
        .into_iter()
        .flat_map(|channel| [channel >> 4, channel & 15].map(|digit| char::from(b'a' + digit)));
    std::iter::once('s').chain(letters).collect()
}

impl Picture {
    fn group(&mut self, group: &usvg::Group, opacity: f32) {
        let opacity = opacity * group.opacity().get();
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => self.group(group, opacity),
                usvg::Node::Path(path) => self.path(path, opacity),
                usvg::Node::Text(text) => self.text(text, opacity),
                usvg::Node::Image(_) => {}
            }
        }
    }

    /// Name of a plain colour; figures of ours have no other paint.
    fn colour(&mut self, paint: &usvg::Paint) -> Option<String> {
        let usvg::Paint::Color(colour) = paint else {
            return None;
        };
        let colour = [colour.red, colour.green, colour.blue];
        self.colours.insert(colour);
        Some(colour_name(colour))
    }

    fn path(&mut self, path: &usvg::Path, opacity: f32) {
        let mut options = Vec::new();
        if let Some(fill) = path.fill()
            && let Some(colour) = self.colour(fill.paint())
        {
            options.push(format!("fill={colour}"));
            opaque(&mut options, "fill opacity", opacity * fill.opacity().get());
        }
        let scale = scale_of(path.abs_transform());
        if let Some(stroke) = path.stroke().filter(|it| it.opacity().get() > 0.0)
            && let Some(colour) = self.colour(stroke.paint())
        {
            options.push(format!("draw={colour}"));
            options.push(format!("line width={:.2}bp", stroke.width().get() * scale));
            opaque(
                &mut options,
                "draw opacity",
                opacity * stroke.opacity().get(),
            );
            if let Some(dashes) = stroke.dasharray() {
                let dashes: Vec<String> = dashes
                    .iter()
                    .zip(["on", "off"].into_iter().cycle())
                    .map(|(length, pen)| format!("{pen} {:.2}bp", length * scale))
                    .collect();
                options.push(format!("dash pattern={}", dashes.join(" ")));
            }
        }
        if options.is_empty() || !path.is_visible() {
            return;
        }
        let segments = outline(path);
        self.body
            .line(format_args!("\\path[{}] {segments};", options.join(",")));
    }

    fn text(&mut self, text: &usvg::Text, opacity: f32) {
        let transform = text.abs_transform();
        for chunk in text.chunks() {
            let Some(span) = chunk.spans().first() else {
                continue;
            };
            let (Some(x), Some(y)) = (chunk.x(), chunk.y()) else {
                continue;
            };
            let anchor = match chunk.anchor() {
                usvg::TextAnchor::Start => "base west",
                usvg::TextAnchor::Middle => "base",
                usvg::TextAnchor::End => "base east",
            };
            let size = span.font_size().get() * scale_of(transform);
            // One size of the font, scaled: LaTeX's own fonts are not there in every size.
            let mut options = vec![
                format!("anchor={anchor}"),
                "inner sep=0pt".into(),
                "outer sep=0pt".into(),
                format!("scale={:.3}", size * 0.1),
            ];
            if let Some(fill) = span.fill()
                && let Some(colour) = self.colour(fill.paint())
            {
                options.push(format!("text={colour}"));
                opaque(&mut options, "text opacity", opacity * fill.opacity().get());
            }
            let turned = transform.ky.atan2(transform.sx).to_degrees();
            if turned.abs() > 0.01 {
                options.push(format!("rotate={:.1}", -turned));
            }
            let bold = if span.font().weight() >= 600 {
                "\\bfseries"
            } else {
                ""
            };
            let at = place(transform, Point::from_xy(x, y));
            let words = chunk.text().trim();
            self.body.line(format_args!(
                "\\node[{}] at {at} {{\\fontsize{{10bp}}{{12bp}}\\sffamily{bold}\\selectfont {}}};",
                options.join(","),
                plain_latex(words)
            ));
        }
    }
}

fn opaque(options: &mut Vec<String>, key: &str, opacity: f32) {
    if opacity < 0.999 {
        options.push(format!("{key}={opacity:.2}"));
    }
}

/// How much longer a transform makes lines.
fn scale_of(transform: Transform) -> f32 {
    let area = transform.sx * transform.sy - transform.kx * transform.ky;
    area.abs().sqrt()
}

/// A place in the picture as a coordinate.
fn place(transform: Transform, mut point: Point) -> String {
    transform.map_point(&mut point);
    format!("({:.2},{:.2})", point.x, point.y)
}

/// The segments of a path in `TikZ`'s words.
fn outline(path: &usvg::Path) -> String {
    let transform = path.abs_transform();
    let at = |point: Point| place(transform, point);
    let mut out = String::new();
    let mut here = Point::zero();
    for segment in path.data().segments() {
        let piece = match segment {
            PathSegment::MoveTo(to) => {
                here = to;
                format!(" {}", at(to))
            }
            PathSegment::LineTo(to) => {
                here = to;
                format!(" -- {}", at(to))
            }
            PathSegment::QuadTo(bend, to) => {
                // As a cubic curve.
                let near = |end: Point| {
                    let part = |end: f32, bend: f32| end + (bend - end) * 2.0 / 3.0;
                    Point::from_xy(part(end.x, bend.x), part(end.y, bend.y))
                };
                let (first, second) = (near(here), near(to));
                here = to;
                format!(
                    " .. controls {} and {} .. {}",
                    at(first),
                    at(second),
                    at(to)
                )
            }
            PathSegment::CubicTo(first, second, to) => {
                here = to;
                format!(
                    " .. controls {} and {} .. {}",
                    at(first),
                    at(second),
                    at(to)
                )
            }
            PathSegment::Close => " -- cycle".into(),
        };
        out += &piece;
    }
    out.trim_start().into()
}
