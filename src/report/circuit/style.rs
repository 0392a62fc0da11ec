//! How a figure is drawn: colours for screen, dark screens and paper, and the direction it is read in.

use super::figure::Port;
use crate::graph::Qkv;

/// Where a figure is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// Bright pages.
    #[default]
    Light,
    /// Dark pages.
    Dark,
    /// Paper: white boxes, no bands, and lines that are told apart in grey too.
    Print,
}

/// Where the logits are, seen from the embedding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Above it.
    #[default]
    Up,
    /// To the right of it.
    Right,
}

/// Theme and direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// The colours.
    pub theme: Theme,
    /// The direction.
    pub direction: Direction,
}

/// The colours of a theme. Those of lines are Okabe and Ito's, which people with any common colour vision tell apart.
#[derive(Debug)]
pub(crate) struct Palette {
    pub ground: &'static str,
    pub ink: &'static str,
    /// Text that explains.
    pub caption: &'static str,
    /// Names of layers, links inside of MLPs.
    pub faint: &'static str,
    /// Every other layer.
    pub band: &'static str,
    /// Behind heads that share k and v, and the line around them.
    pub group: [&'static str; 2],
    /// Embedding and logits.
    pub end: &'static str,
    pub head: &'static str,
    pub mlp: &'static str,
    pub neuron: &'static str,
    /// Of a dictionary, and what it leaves.
    pub feature: &'static str,
    pub error: &'static str,
    /// A port without edges, and its letter.
    pub unused: [&'static str; 2],
    /// The letter of a port with edges.
    pub letter: &'static str,
    /// Lines into q, k, v, and into nodes with one input.
    pub lines: [&'static str; 4],
    pub negative: &'static str,
}

const LIGHT: Palette = Palette {
    ground: "#FFFFFF",
    ink: "#222222",
    caption: "#555555",
    faint: "#767676",
    band: "#F7F7F5",
    group: ["#E9EEF3", "#B8C4CF"],
    end: "#E3E3E3",
    head: "#FFFFFF",
    mlp: "#FFF1CC",
    neuron: "#FFF9E8",
    feature: "#EAF4EC",
    error: "#F2F2F2",
    unused: ["#EDEDED", "#8F8F8F"],
    letter: "#FFFFFF",
    lines: ["#0072B2", "#CC79A7", "#009E73", "#4D4D4D"],
    negative: "#D55E00",
};

const DARK: Palette = Palette {
    ground: "#16181C",
    ink: "#E8E8E8",
    caption: "#B4B8BE",
    faint: "#8A9099",
    band: "#1D2026",
    group: ["#252B33", "#46515E"],
    end: "#3A3D43",
    head: "#23272E",
    mlp: "#453B1D",
    neuron: "#332D1B",
    feature: "#1F3326",
    error: "#2C2C30",
    unused: ["#333840", "#7D848E"],
    letter: "#101215",
    lines: ["#56B4E9", "#E79AC4", "#2CC79A", "#C4C4C4"],
    negative: "#F0954A",
};

const PRINT: Palette = Palette {
    ground: "#FFFFFF",
    ink: "#000000",
    caption: "#333333",
    faint: "#6B6B6B",
    band: "#FFFFFF",
    group: ["#FFFFFF", "#9A9A9A"],
    end: "#FFFFFF",
    head: "#FFFFFF",
    mlp: "#F0F0F0",
    neuron: "#FFFFFF",
    feature: "#FFFFFF",
    error: "#F0F0F0",
    unused: ["#F0F0F0", "#8F8F8F"],
    letter: "#FFFFFF",
    lines: ["#0B4F80", "#B0588A", "#3FA37F", "#2B2B2B"],
    negative: "#C24E00",
};

impl Theme {
    pub(crate) fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
            Self::Print => &PRINT,
        }
    }
}

impl Palette {
    /// Colour of lines, arrowheads and ports.
    pub(crate) fn line(&self, port: Port) -> &'static str {
        match port {
            Port::Part(Qkv::Q) => self.lines[0],
            Port::Part(Qkv::K) => self.lines[1],
            Port::Part(Qkv::V) => self.lines[2],
            Port::Only | Port::Several => self.lines[3],
            Port::Inside | Port::Attended => self.faint,
        }
    }
}
