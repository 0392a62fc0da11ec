//! Colours of plots and heat maps, and the same picture in the colours of another theme.
//!
//! Plots are drawn in bright colours, which is what jobs write. Each colour stands for one thing, so that a finished picture
//! can be taken to another theme; colours of cells come from scales of few enough steps to be looked up.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::report::circuit::style::Theme;

/// What marks pictures that can be taken to another theme.
pub(crate) const MARK: &str = "class=\"plot\"";

/// The colours of a theme.
pub(crate) struct PlotPalette {
    pub ground: &'static str,
    pub ink: &'static str,
    pub grid: &'static str,
    /// Of cells without a number.
    pub absent: &'static str,
    /// Labels on cells that are bright, and on those that are dark, in the bright theme.
    pub labels: [&'static str; 2],
    /// Opacity of the strokes that mark cells below zero: only where no colours tell the signs apart.
    pub below_zero: &'static str,
    /// Of series in their order; people with any common colour vision tell them apart.
    pub lines: [&'static str; 7],
    /// From few to much.
    pub sequential: [[f64; 3]; 5],
    /// From below zero over zero to above.
    pub diverging: [[f64; 3]; 3],
}

/// Steps of a scale.
const LEVELS: usize = 256;
/// Below this brightness of a cell, of 255, labels are bright.
const DARK: f64 = 125.0;

/// Okabe and Ito's colours for series.
pub(crate) const LIGHT: PlotPalette = PlotPalette {
    ground: "#FFFFFF",
    ink: "#222222",
    grid: "#E4E4E4",
    absent: "#DDDDDD",
    labels: ["#1E1E1E", "#FCFCFC"],
    below_zero: "0.000",
    lines: [
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
    ],
    sequential: [
        [247.0, 250.0, 253.0],
        [198.0, 219.0, 239.0],
        [107.0, 174.0, 214.0],
        [33.0, 113.0, 181.0],
        [8.0, 48.0, 107.0],
    ],
    // Not quite the colours of lines.
    diverging: [
        [0.0, 113.0, 178.0],
        [248.0, 248.0, 248.0],
        [213.0, 93.0, 0.0],
    ],
};

/// Scales begin in the dark, so labels of cells trade places.
const NIGHT: PlotPalette = PlotPalette {
    ground: "#16181C",
    ink: "#E8E8E8",
    grid: "#33373E",
    absent: "#4A4D52",
    labels: ["#F4F4F4", "#0C0C0C"],
    below_zero: "0.000",
    lines: [
        "#56B4E9", "#F0954A", "#2CC79A", "#E79AC4", "#F0C23C", "#8E9BFF", "#E8E8E8",
    ],
    sequential: [
        [28.0, 33.0, 41.0],
        [28.0, 52.0, 80.0],
        [36.0, 86.0, 134.0],
        [100.0, 168.0, 216.0],
        [222.0, 240.0, 252.0],
    ],
    diverging: [
        [75.0, 160.0, 215.0],
        [36.0, 39.0, 45.0],
        [205.0, 105.0, 30.0],
    ],
};

/// Black text and lines of different brightness, and strokes in cells below zero, for printers without colours.
const PRINT: PlotPalette = PlotPalette {
    ground: "#FFFFFF",
    ink: "#000000",
    grid: "#D8D8D8",
    // Grey would be a number.
    absent: "#FFFFFF",
    labels: ["#000000", "#FCFCFC"],
    below_zero: "0.900",
    lines: [
        "#0B4F80", "#C24E00", "#3FA37F", "#B0588A", "#B98A1A", "#7FB2D6", "#000000",
    ],
    sequential: LIGHT.sequential,
    diverging: LIGHT.diverging,
};

impl PlotPalette {
    fn of(theme: Theme) -> &'static Self {
        match theme {
            Theme::Light => &LIGHT,
            Theme::Dark => &NIGHT,
            Theme::Print => &PRINT,
        }
    }

    /// The colours that stand for one thing each, in an order that all themes have.
    fn names(&self) -> Vec<&'static str> {
        let mut names = vec![self.ground, self.ink, self.grid, self.absent];
        names.extend(self.labels);
        names.push(self.below_zero);
        names.extend(self.lines);
        names
    }
}

/// The colour of a share of a scale, from 0 to 1, and whether bright text is easier to read on it.
pub(crate) fn scale_colour(stops: &[[f64; 3]], share: f64) -> (String, bool) {
    let level = (share * LEVELS as f64).round() / LEVELS as f64;
    let place = level * (stops.len() - 1) as f64;
    let below = (place as usize).min(stops.len() - 2);
    let part = place - below as f64;
    let (from, to) = (stops[below], stops[below + 1]);
    let [red, green, blue] = std::array::from_fn(|channel| {
        (from[channel] + part * (to[channel] - from[channel])).round()
    });
    let brightness = 0.299 * red + 0.587 * green + 0.114 * blue;
    let hex = format!("#{:02X}{:02X}{:02X}", red as u8, green as u8, blue as u8);
    (hex, brightness < DARK)
}

/// A plot or heat map of ours in the colours of a theme. `name` is for messages.
///
/// # Errors
/// When the picture is no plot: a circuit is drawn again from its file.
pub fn recoloured(svg: &str, theme: Theme, name: &str) -> Result<String> {
    if theme == Theme::Light {
        return Ok(svg.to_owned());
    }
    let head = svg.split('>').next().unwrap_or_default();
    if !head.contains(MARK) {
        return Err(Error::Usage(format!(
            "{name} is no plot that this version drew, so its colours stay as they are; a circuit is drawn in another theme from its circuit.ron"
        )));
    }
    let colours = other_colours(PlotPalette::of(theme));
    // Text has its quotes escaped, so that what stands between quotes is a whole value.
    let parts = svg.split('"').map(|part| match colours.get(part) {
        Some(colour) => &colour[..],
        None => part,
    });
    Ok(parts.collect::<Vec<_>>().join("\""))
}

/// From a colour of the bright theme to what stands for the same in another.
fn other_colours(palette: &PlotPalette) -> BTreeMap<String, String> {
    let mut colours = BTreeMap::new();
    let names = LIGHT.names().into_iter().zip(palette.names());
    colours.extend(names.map(|(from, to)| (from.to_owned(), to.to_owned())));
    for (from, to) in [
        (&LIGHT.sequential[..], &palette.sequential[..]),
        (&LIGHT.diverging, &palette.diverging),
    ] {
        for level in 0..=LEVELS {
            let share = level as f64 / LEVELS as f64;
            colours.insert(scale_colour(from, share).0, scale_colour(to, share).0);
        }
    }
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue, each up to 1.
    fn channels(hex: &str) -> [f64; 3] {
        let number = u32::from_str_radix(&hex[1..], 16).expect("a colour");
        [number >> 16, number >> 8, number].map(|channel| f64::from(channel & 255) / 255.0)
    }

    /// Of WCAG 2.1: 1 for equal colours, 21 for black on white.
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |hex: &str| {
            let linear = channels(hex).map(|channel| {
                if channel <= 0.039_28 {
                    channel / 12.92
                } else {
                    ((channel + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    const THEMES: [Theme; 3] = [Theme::Light, Theme::Dark, Theme::Print];

    #[test]
    fn scales_go_from_one_end_to_the_other() {
        let colour = |stops: &[[f64; 3]], share| scale_colour(stops, share).0;
        assert_eq!(colour(&LIGHT.sequential, 0.0), "#F7FAFD");
        assert_eq!(colour(&LIGHT.sequential, 1.0), "#08306B");
        assert_eq!(colour(&LIGHT.diverging, 0.5), "#F8F8F8");
        assert_eq!(colour(&NIGHT.diverging, 1.0), "#CD691E");
    }

    #[test]
    fn each_colour_stands_for_one_thing() {
        // But for neighbouring steps of a scale, which may be one colour.
        let sequential: Vec<String> = levels(&LIGHT.sequential).map(|it| it.0).collect();
        let diverging: Vec<String> = levels(&LIGHT.diverging).map(|it| it.0).collect();
        let names = LIGHT.names();
        for colour in sequential.iter().chain(&diverging) {
            assert!(!names.contains(&&colour[..]), "{colour}");
        }
        assert!(sequential.iter().all(|colour| !diverging.contains(colour)));
        let apart: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(apart.len(), names.len());
    }

    fn levels(stops: &[[f64; 3]]) -> impl Iterator<Item = (String, bool)> {
        let share = |level: usize| level as f64 / LEVELS as f64;
        (0..=LEVELS).map(move |level| scale_colour(stops, share(level)))
    }

    #[test]
    fn everything_can_be_read_in_every_theme() {
        for theme in THEMES {
            let palette = PlotPalette::of(theme);
            assert!(contrast(palette.ink, palette.ground) > 7.0, "{theme:?}");
            for line in palette.lines {
                assert!(contrast(line, palette.ground) > 2.0, "{theme:?} {line}");
            }
            for (light, own) in [
                (&LIGHT.sequential[..], &palette.sequential[..]),
                (&LIGHT.diverging, &palette.diverging),
            ] {
                for ((_, is_dark), (colour, _)) in levels(light).zip(levels(own)) {
                    let label = palette.labels[usize::from(is_dark)];
                    let contrast = contrast(label, &colour);
                    assert!(contrast > 3.3, "{theme:?} {label} on {colour}: {contrast}");
                }
            }
        }
    }

    #[test]
    fn only_whole_values_of_plots_change() {
        let svg =
            "<svg class=\"plot\" fill=\"#222222\"><text>&quot;#222222&quot; #222222</text></svg>";
        let dark = recoloured(svg, Theme::Dark, "a.svg").expect("a plot");
        assert_eq!(
            dark,
            "<svg class=\"plot\" fill=\"#E8E8E8\"><text>&quot;#222222&quot; #222222</text></svg>"
        );
        assert_eq!(recoloured(svg, Theme::Light, "a.svg").expect("a plot"), svg);
        let error = recoloured("<svg><g class=\"plot\"/></svg>", Theme::Dark, "a.svg");
        let error = error.expect_err("no plot").to_string();
        assert!(error.starts_with("a.svg is no plot"), "{error}");
    }
}
