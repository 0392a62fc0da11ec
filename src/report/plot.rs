//! Line plots as SVG: axes with round ticks, a line with error bars for each series, a legend.

use super::text::{Text, one_line, short, text_width, thousands, wrap, xml};

/// Colours that people with any common colour vision tell apart (Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
];
pub(super) const INK: &str = "#222222";
const GRID: &str = "#E4E4E4";
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 46.0;
/// Intervals between ticks that an axis should have, about.
const TICKS: f64 = 5.0;

/// Lines in one frame.
pub(super) struct Plot {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    /// A horizontal line with its name, such as the value without any change.
    pub reference: Option<(String, f64)>,
    pub series: Vec<Series>,
}

/// One line.
pub(super) struct Series {
    pub name: String,
    pub points: Vec<PlotPoint>,
}

/// A point with the interval of its value.
pub(super) struct PlotPoint {
    pub x: f64,
    pub y: f64,
    pub interval: Option<[f64; 2]>,
}

/// How a plot differs from lines with error bars on linear axes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub log_x: bool,
    pub log_y: bool,
    /// Intervals as bands, and dots only where there are few.
    pub bands: bool,
}

/// One axis: from number to place.
pub(super) struct Axis {
    pub ticks: Vec<f64>,
    /// From one tick to the next.
    pub step: f64,
    pub low: f64,
    pub high: f64,
    /// Places of `low` and `high`.
    from: f64,
    to: f64,
    /// Whether equal ratios are equally far apart.
    log: bool,
}

impl Axis {
    /// An axis that holds some numbers, with ticks at round ones.
    pub(super) fn new(numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let finite = numbers.filter(|number| number.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
            (low.min(number), high.max(number))
        });
        let (low, high) = match high - low {
            width if width > 0.0 => (low, high),
            _ if low.is_finite() => (low - 0.5, high + 0.5),
            _ => (0.0, 1.0),
        };
        let step = round_step((high - low) / TICKS);
        let first = (low / step).floor();
        let count = (high / step).ceil() - first;
        // Each from its number, so that no error adds up.
        let ticks = (0..=count as usize).map(|tick| (first + tick as f64) * step);
        let ticks: Vec<f64> = ticks.collect();
        Self {
            low: first * step,
            high: (first + count) * step,
            ticks,
            step,
            from,
            to,
            log: false,
        }
    }

    /// A logarithmic axis that holds the positive ones of some numbers, with ticks at powers of ten, and at twice and
    /// five times these when there are few.
    fn logarithmic(numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let positive = numbers.filter(|number| number.is_finite() && *number > 0.0);
        let (low, high) = positive.fold((f64::INFINITY, 0.0), |(low, high), number| {
            (f64::min(low, number), f64::max(high, number))
        });
        let (low, high) = if low <= high {
            (low, high)
        } else {
            (1.0, 10.0)
        };
        let first = (low.log10() + 1e-9).floor() as i32;
        let last = ((high.log10() - 1e-9).ceil() as i32).max(first + 1);
        let factors: &[f64] = if last - first > 2 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let mut ticks: Vec<f64> = (first..last)
            .flat_map(|power| {
                factors
                    .iter()
                    .map(move |factor| factor * 10.0_f64.powi(power))
            })
            .chain([10.0_f64.powi(last)])
            .collect();
        // The frame ends at the ticks around the numbers.
        let start = ticks
            .iter()
            .rposition(|&tick| tick <= low * (1.0 + 1e-9))
            .unwrap_or(0);
        let end = ticks
            .iter()
            .position(|&tick| tick >= high * (1.0 - 1e-9))
            .unwrap_or(ticks.len() - 1);
        ticks = ticks[start..=end.max(start + 1).min(ticks.len() - 1)].to_vec();
        // No more labels than have room.
        let every = ticks.len().div_ceil(9);
        let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
        let ticks = ticks.into_iter().step_by(every).collect();
        Self {
            ticks,
            step: 0.0,
            low,
            high,
            from,
            to,
            log: true,
        }
    }

    /// Where a number is.
    pub(super) fn place(&self, number: f64) -> f64 {
        let share = if self.log {
            // What is not positive is at the end.
            let clamped = number.max(self.low);
            (clamped / self.low).ln() / (self.high / self.low).ln()
        } else {
            (number - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// The text of a tick.
    fn label(&self, tick: f64) -> String {
        if !self.log {
            return label(tick, self.step);
        }
        if (1.0..1e7).contains(&tick) {
            return thousands(tick.round() as usize);
        }
        let power = (tick.log10() + 1e-9).floor() as i32;
        if (-3..0).contains(&power) {
            return format!("{tick:.*}", power.unsigned_abs() as usize);
        }
        format!("{tick:.0e}").replace('-', "\u{2212}")
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    let fits = |factor: &&f64| **factor * power >= least * (1.0 - 1e-9);
    power
        * [1.0, 2.0, 2.5, 5.0, 10.0]
            .iter()
            .find(fits)
            .unwrap_or(&10.0)
}

impl Plot {
    /// The plot as SVG: lines with error bars on linear axes.
    pub(super) fn svg(&self) -> String {
        self.drawn(Look::default())
    }

    /// The plot as SVG.
    pub(super) fn drawn(&self, look: Look) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let ys = points().flat_map(|point| {
            let [low, high] = point.interval.unwrap_or([point.y; 2]);
            [point.y, low, high]
        });
        let ys = ys.chain(self.reference.iter().map(|(_, y)| *y));
        let y = if look.log_y {
            Axis::logarithmic(ys, HEIGHT - BOTTOM, TOP)
        } else {
            Axis::new(ys, HEIGHT - BOTTOM, TOP)
        };
        let tick_width = y.ticks.iter().map(|&tick| text_width(&y.label(tick), 10.0));
        let left = 34.0 + tick_width.fold(0.0, f64::max);
        let names = self.series.iter().map(|series| &series.name[..]);
        let names = names.chain(self.reference.iter().map(|(name, _)| &name[..]));
        let legend = names.map(|name| text_width(name, 10.0)).fold(0.0, f64::max) + 36.0;
        let right = WIDTH - 12.0;
        let xs = points().map(|point| point.x);
        let x = if look.log_x {
            Axis::logarithmic(xs, left, right)
        } else {
            Axis::new(xs, left, right)
        };
        let width = WIDTH + legend;

        let mut out = Text::default();
        out.line(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"{width:.0}\" height=\"{HEIGHT:.0}\" viewBox=\"0 0 {width:.0} {HEIGHT:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"10\" fill=\"{INK}\">"
        ));
        out.line(format_args!(
            "<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>"
        ));
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
        self.axes(&mut out, &x, &y);
        if let Some((_, value)) = &self.reference {
            let at = y.place(*value);
            out.line(format_args!(
                "<line x1=\"{:.1}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"{INK}\" stroke-width=\"1\" stroke-dasharray=\"4 3\"/>",
                x.from, x.to
            ));
        }
        for (index, series) in self.series.iter().enumerate() {
            series.draw(&mut out, COLOURS[index % COLOURS.len()], &x, &y, look);
        }
        self.legend(&mut out);
        out.line(format_args!("</svg>"));
        out.0
    }

    fn axes(&self, out: &mut Text, x: &Axis, y: &Axis) {
        for &tick in &y.ticks {
            let at = y.place(tick);
            out.line(format_args!(
                "<line x1=\"{:.1}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"{GRID}\"/>",
                x.from, x.to
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
                "<line x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"{INK}\"/>",
                y.from,
                y.from + 4.0
            ));
            out.line(format_args!(
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y.from + 16.0,
                x.label(tick)
            ));
        }
        out.line(format_args!(
            "<path d=\"M {:.1} {:.1} V {:.1} H {:.1}\" fill=\"none\" stroke=\"{INK}\"/>",
            x.from, y.to, y.from, x.to
        ));
        out.line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
            f64::midpoint(x.from, x.to),
            HEIGHT - 10.0,
            xml(&self.x_label)
        ));
        let middle = f64::midpoint(y.from, y.to);
        out.line(format_args!(
            "<text x=\"14\" y=\"{middle:.1}\" text-anchor=\"middle\" font-size=\"11\" transform=\"rotate(-90 14 {middle:.1})\">{}</text>",
            xml(&self.y_label)
        ));
    }

    fn legend(&self, out: &mut Text) {
        let series = self.series.iter().enumerate();
        let series = series.map(|(index, it)| (&it.name, COLOURS[index % COLOURS.len()], ""));
        let reference = self.reference.iter();
        let reference = reference.map(|(name, _)| (name, INK, " stroke-dasharray=\"4 3\""));
        for (row, (name, colour, dashes)) in series.chain(reference).enumerate() {
            let y = TOP + 6.0 + 16.0 * row as f64;
            out.line(format_args!(
                "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
                WIDTH,
                WIDTH + 18.0
            ));
            out.line(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH + 24.0,
                y + 3.5,
                xml(name)
            ));
        }
    }
}

impl Series {
    fn draw(&self, out: &mut Text, colour: &str, x: &Axis, y: &Axis, look: Look) {
        let finite = self.points.iter().filter(|point| point.y.is_finite());
        let places: Vec<String> = finite
            .clone()
            .map(|point| format!("{:.1},{:.1}", x.place(point.x), y.place(point.y)))
            .collect();
        if look.bands {
            self.band(out, colour, x, y);
        }
        out.line(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>",
            places.join(" ")
        ));
        if look.bands && places.len() > MOST_DOTS {
            return;
        }
        for point in finite {
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
                "<circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{colour}\"><title>{}: {}</title></circle>",
                y.place(point.y),
                xml(&self.name),
                short(point.y)
            ));
        }
    }
}

/// Points of a line whose points have dots, where bands show the intervals.
const MOST_DOTS: usize = 40;

impl Series {
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

/// A tick's number with the decimals that the step between ticks has.
pub(super) fn label(tick: f64, step: f64) -> String {
    if step < 1e-6 || tick.abs() >= 1e7 {
        return format!("{tick:.1e}").replace('-', "\u{2212}");
    }
    let decimals = (0..8).find(|&decimals| {
        let scaled = step * 10.0_f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let text = format!("{tick:.*}", decimals.unwrap_or(8) as usize);
    let zero = text
        .chars()
        .all(|character| matches!(character, '-' | '0' | '.'));
    let text = if zero {
        text.trim_start_matches('-')
    } else {
        &text
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_numbers() {
        let axis = |numbers: &[f64]| Axis::new(numbers.iter().copied(), 0.0, 1.0);
        let labels = |numbers: &[f64]| {
            let axis = axis(numbers);
            let ticks = axis.ticks.iter().map(|&tick| label(tick, axis.step));
            ticks.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(&[0.0, 3.0]), "0 1 2 3");
        assert_eq!(labels(&[-0.11, 0.52]), "\u{2212}0.2 0.0 0.2 0.4 0.6");
        assert_eq!(labels(&[2.0]), "1.4 1.6 1.8 2.0 2.2 2.4 2.6");
        assert_eq!(axis(&[f64::NAN]).ticks.len(), 6);
        for (low, high) in [(0.0, 1e-7), (-1e9, 1.0), (0.3, 0.300_001)] {
            let axis = axis(&[low, high]);
            assert!(axis.low <= low && axis.high >= high && axis.ticks.len() < 9);
        }
    }

    #[test]
    fn labels_have_no_rounding_errors_and_no_negative_zero() {
        assert_eq!(label(0.600_000_000_000_000_1, 0.2), "0.6");
        assert_eq!(label(-0.0, 1.0), "0");
        assert_eq!(label(-2.5, 0.5), "\u{2212}2.5");
        assert_eq!(label(2e-9, 1e-9), "2.0e\u{2212}9");
    }
}
