//! Line plots as SVG: axes with round ticks, a line with error bars for each series, a legend.

use super::axis::Axis;
use super::plot_colours::{LIGHT, MARK};
use crate::report::text::{Text, clip, one_line, short, text_width, wrap, xml};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 46.0;
/// Font sizes of ticks and names, and of what axes show.
const FONT: f64 = 10.0;
const AXIS_FONT: f64 = 11.0;
/// Height of a line of what an axis shows.
const AXIS_LINE: f64 = 14.0;
/// Characters of a name in the legend.
const LONGEST_NAME: usize = 48;

/// Lines in one frame.
pub(crate) struct Plot {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    /// A horizontal line with its name, such as the value without any change.
    pub reference: Option<(String, f64)>,
    pub series: Vec<Series>,
}

/// One line.
pub(crate) struct Series {
    pub name: String,
    pub points: Vec<PlotPoint>,
}

/// A point with the interval of its value.
pub(crate) struct PlotPoint {
    pub x: f64,
    pub y: f64,
    pub interval: Option<[f64; 2]>,
}

/// How numbers become heights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Scale {
    /// Linear, over what there is.
    #[default]
    Fitting,
    /// Linear, from zero on.
    FromZero,
    /// Equal ratios are equally far apart.
    Logarithmic,
}

/// How a plot differs from lines with error bars on linear axes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    pub log_x: bool,
    pub y: Scale,
    /// Intervals as bands, and dots only where there are few.
    pub bands: bool,
}

impl Plot {
    /// The plot as SVG: lines with error bars on linear axes.
    pub(crate) fn svg(&self) -> String {
        self.drawn(Look::default())
    }

    /// The plot as SVG.
    pub(crate) fn drawn(&self, look: Look) -> String {
        let (inner, width) = self.inner(look);
        whole([width, HEIGHT], FONT, &inner)
    }

    /// What is in the picture, and its width.
    fn inner(&self, look: Look) -> (String, f64) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let ys = points().flat_map(|point| {
            let [low, high] = point.interval.unwrap_or([point.y; 2]);
            [point.y, low, high]
        });
        let ys = ys.chain(self.reference.iter().map(|(_, y)| *y));
        let [from, to] = [HEIGHT - BOTTOM, TOP];
        let y = match look.y {
            Scale::Fitting => Axis::new(ys, from, to),
            Scale::FromZero => Axis::new(ys.chain([0.0]), from, to),
            Scale::Logarithmic => Axis::logarithmic(ys, from, to),
        };
        let tick_width = y.ticks.iter().map(|&tick| text_width(&y.label(tick), FONT));
        let y_label = wrap(&one_line(&self.y_label), AXIS_FONT, HEIGHT - 24.0);
        let above = AXIS_LINE * (y_label.len().max(1) - 1) as f64;
        let left = 34.0 + above + tick_width.fold(0.0, f64::max);
        let names = self.series.iter().map(|series| &series.name[..]);
        let names = names.chain(self.reference.iter().map(|(name, _)| &name[..]));
        let names = names.map(|name| text_width(&clip(name, LONGEST_NAME), FONT));
        let legend = names.fold(0.0, f64::max) + 36.0;
        let right = WIDTH - 12.0;
        let xs = points().map(|point| point.x);
        let x = if look.log_x {
            Axis::logarithmic(xs, left, right)
        } else {
            Axis::of_counts(&xs.collect::<Vec<_>>(), left, right)
        };
        let width = WIDTH + legend;

        let mut out = Text::default();
        // Of two lines at most, which is what there is room for above the frame.
        let title = wrap(&one_line(&self.title), 14.0, width - 32.0);
        for (row, line) in title.iter().take(2).enumerate() {
            let y = if title.len() > 1 {
                17.0 + 16.0 * row as f64
            } else {
                24.0
            };
            out.line(format_args!(
                "<text x=\"16\" y=\"{y:.0}\" font-size=\"14\" font-weight=\"bold\">{}</text>",
                xml(line)
            ));
        }
        axes(&mut out, &x, &y);
        self.axis_labels(&mut out, &x, &y, &y_label);
        if let Some((_, value)) = &self.reference {
            let at = y.place(*value);
            out.line(format_args!(
                "<line x1=\"{:.1}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"{}\" stroke-width=\"1\" stroke-dasharray=\"4 3\"/>",
                x.from, x.to, LIGHT.ink
            ));
        }
        for (index, series) in self.series.iter().enumerate() {
            series.draw(&mut out, Pen::of(index), &x, &y, look);
        }
        self.legend(&mut out);
        (out.0, width)
    }

    fn axis_labels(&self, out: &mut Text, x: &Axis, y: &Axis, y_label: &[String]) {
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"{AXIS_FONT}\">{}</text>",
            f64::midpoint(x.from, x.to),
            HEIGHT - 10.0,
            xml(&self.x_label)
        ));
        for (row, line) in y_label.iter().enumerate() {
            let x = 14.0 + AXIS_LINE * row as f64;
            // Long ones are in the middle of the picture.
            let half = text_width(line, AXIS_FONT) / 2.0 + 6.0;
            let middle = f64::midpoint(y.from, y.to);
            let middle = middle.max(half).min(HEIGHT - half);
            out.line(format_args!(
                "<text x=\"{x}\" y=\"{middle:.1}\" text-anchor=\"middle\" font-size=\"{AXIS_FONT}\" transform=\"rotate(-90 {x} {middle:.1})\">{}</text>",
                xml(line)
            ));
        }
    }

    fn legend(&self, out: &mut Text) {
        let series = self.series.iter().enumerate();
        let drawn = series.filter(|(_, it)| !it.points.is_empty());
        let series = drawn.map(|(index, it)| (&it.name, Some(Pen::of(index))));
        let reference = self.reference.iter().map(|(name, _)| (name, None));
        for (row, (name, pen)) in series.chain(reference).enumerate() {
            let y = TOP + 6.0 + 16.0 * row as f64;
            let (colour, dashes) = match pen {
                Some(pen) => (pen.colour, ""),
                None => (LIGHT.ink, " stroke-dasharray=\"4 3\""),
            };
            out.line(format_args!(
                "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
                WIDTH,
                WIDTH + 18.0
            ));
            if let Some(pen) = pen {
                out.line(format_args!("{}/>", pen.marker(WIDTH + 9.0, y)));
            }
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH + 24.0,
                y + 3.5,
                xml(&clip(name, LONGEST_NAME))
            ));
        }
    }
}

/// A whole picture of some width and height, in letters of this size where nothing else is said.
pub(crate) fn whole([width, height]: [f64; 2], font: f64, inner: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" {MARK} width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"{font}\" fill=\"{}\">",
        LIGHT.ink
    ));
    out.line(format_args!(
        "<rect class=\"ground\" width=\"100%\" height=\"100%\" fill=\"{}\"/>",
        LIGHT.ground
    ));
    out.0.push_str(inner);
    out.line(format_args!("</svg>"));
    out.0
}

/// Height of the title of several plots.
const TITLE: f64 = 34.0;

/// Several plots in two columns below a title.
pub(crate) fn side_by_side(title: &str, plots: &[(Plot, Look)]) -> String {
    let drawn: Vec<(String, f64)> = plots.iter().map(|(plot, look)| plot.inner(*look)).collect();
    let column = drawn.iter().map(|(_, width)| *width).fold(0.0, f64::max);
    let mut out = Text::default();
    out.line(format_args!(
        "<text x=\"16\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        xml(&one_line(title))
    ));
    for (place, (inner, _)) in drawn.iter().enumerate() {
        let (x, y) = (column * (place % 2) as f64, HEIGHT * (place / 2) as f64);
        out.line(format_args!(
            "<g transform=\"translate({x:.0} {:.0})\">",
            TITLE + y
        ));
        out.0.push_str(inner);
        out.line(format_args!("</g>"));
    }
    let columns = drawn.len().min(2) as f64;
    let height = TITLE + HEIGHT * drawn.len().div_ceil(2) as f64;
    whole([columns * column, height], FONT, &out.0)
}

/// Frame, ticks and their numbers.
fn axes(out: &mut Text, x: &Axis, y: &Axis) {
    let ink = LIGHT.ink;
    for &tick in &y.ticks {
        let at = y.place(tick);
        out.line(format_args!(
            "<line x1=\"{:.1}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"{}\"/>",
            x.from, x.to, LIGHT.grid
        ));
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            x.from - 6.0,
            at + 3.5,
            y.label(tick)
        ));
    }
    for &tick in &x.ticks {
        let at = x.place(tick);
        out.line(format_args!(
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y.from + 16.0,
            x.label(tick)
        ));
    }
    for (ticks, length) in [(&x.ticks, 4.0), (&x.short_ticks, 2.5)] {
        for &tick in ticks {
            out.line(format_args!(
                "<path d=\"M{:.1} {:.1}v{length}\" stroke=\"{ink}\"/>",
                x.place(tick),
                y.from
            ));
        }
    }
    for &tick in &y.short_ticks {
        out.line(format_args!(
            "<path d=\"M{:.1} {:.1}h-2.5\" stroke=\"{ink}\"/>",
            x.from,
            y.place(tick)
        ));
    }
    out.line(format_args!(
        "<path d=\"M {:.1} {:.1} V {:.1} H {:.1}\" fill=\"none\" stroke=\"{ink}\"/>",
        x.from, y.to, y.from, x.to
    ));
}

/// How a series is drawn: colour, and shape of its dots, which tells it apart without colours.
#[derive(Clone, Copy)]
struct Pen {
    colour: &'static str,
    shape: usize,
}

/// Shapes of dots around their middle, as paths of relative steps; the first is a circle.
const SHAPES: [&str; 5] = [
    "",
    "m-2.4 -2.4h4.8v4.8h-4.8Z",
    "m0 -3.4l3.2 5.6h-6.4Z",
    "m0 -3.6l3 3.6l-3 3.6l-3 -3.6Z",
    "m0 3.4l3.2 -5.6h-6.4Z",
];

impl Pen {
    /// The pen of a series by its place.
    fn of(index: usize) -> Self {
        Self {
            colour: LIGHT.lines[index % LIGHT.lines.len()],
            shape: index % SHAPES.len(),
        }
    }

    /// The dot as an element without its end.
    fn marker(self, x: f64, y: f64) -> String {
        let colour = self.colour;
        match SHAPES[self.shape] {
            "" => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{colour}\""),
            shape => format!("<path d=\"M{x:.1} {y:.1}{shape}\" fill=\"{colour}\""),
        }
    }
}

/// Points of a line whose points have dots each, where bands show the intervals; longer ones have some.
const MOST_DOTS: usize = 40;
const SOME_DOTS: usize = 8;

impl Series {
    fn draw(&self, out: &mut Text, pen: Pen, x: &Axis, y: &Axis, look: Look) {
        let finite: Vec<&PlotPoint> = self.points.iter().filter(|it| it.y.is_finite()).collect();
        let places: Vec<String> = finite
            .iter()
            .map(|point| format!("{:.1},{:.1}", x.place(point.x), y.place(point.y)))
            .collect();
        if look.bands {
            self.band(out, pen.colour, x, y);
        }
        let colour = pen.colour;
        out.line(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>",
            places.join(" ")
        ));
        let every = if look.bands && finite.len() > MOST_DOTS {
            finite.len().div_ceil(SOME_DOTS)
        } else {
            1
        };
        // Of several long lines, dots are at different places.
        let first = if every > 1 {
            every * (1 + pen.shape) / (SHAPES.len() + 1)
        } else {
            0
        };
        for point in finite.iter().skip(first).step_by(every) {
            let at = x.place(point.x);
            if let Some([low, high]) = point.interval.filter(|_| !look.bands) {
                let (low, high) = (y.place(low), y.place(high));
                out.line(format_args!(
                    "<path d=\"M {at:.1} {low:.1} V {high:.1} M {:.1} {low:.1} h 6 M {:.1} {high:.1} h 6\" stroke=\"{colour}\" stroke-width=\"1\" fill=\"none\"/>",
                    at - 3.0,
                    at - 3.0
                ));
            }
            out.line(format_args!(
                "{}><title>{}: {}</title></{}>",
                pen.marker(at, y.place(point.y)),
                xml(&self.name),
                short(point.y),
                if SHAPES[pen.shape].is_empty() {
                    "circle"
                } else {
                    "path"
                }
            ));
        }
    }

    /// The intervals of neighbouring points as an area.
    fn band(&self, out: &mut Text, colour: &str, x: &Axis, y: &Axis) {
        let ends: Vec<(f64, [f64; 2])> = self
            .points
            .iter()
            .filter_map(|point| Some((x.place(point.x), point.interval?)))
            .collect();
        let lower = ends.iter().map(|&(at, [low, _])| (at, y.place(low)));
        let upper = ends
            .iter()
            .rev()
            .map(|&(at, [_, high])| (at, y.place(high)));
        let corners: Vec<String> = lower
            .chain(upper)
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        if ends.len() > 1 {
            out.line(format_args!(
                "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.16\"/>",
                corners.join(" ")
            ));
        }
    }
}
