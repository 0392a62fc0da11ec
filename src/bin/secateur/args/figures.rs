//! Arguments of the commands that draw and print results.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secateur::report::{Detail, Direction, Style, Theme};

#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// The circuit: circuit.ron, features.ron, or a JSON file in EAP-IG's format; or a plot, an .svg file that secateur
    /// wrote; or a .jsonl file of records of `bench --json`, to be drawn as how the cost grows.
    pub(crate) circuit: PathBuf,
    /// The format.
    #[arg(long, value_name = "F", value_parser = formats())]
    pub(crate) format: String,
    /// Colours for bright pages, dark pages, or paper.
    #[arg(long, value_enum, default_value = "light")]
    pub(crate) theme: ThemeArg,
    /// Where the logits are: above the embedding, or to the right of it [default: up].
    #[arg(long, value_enum)]
    pub(crate) direction: Option<DirectionArg>,
    /// How much is drawn of large circuits: what can be made out, every edge, edges between two nodes as one, or the
    /// heads of a layer as one [default: fitting].
    #[arg(long, value_enum)]
    pub(crate) detail: Option<DetailArg>,
    /// Labels below the names of nodes: roles.json as `attention` writes it, or JSON such as {"a5.h1": "induction"}.
    #[arg(long, value_name = "ROLES.json")]
    pub(crate) roles: Option<PathBuf>,
    /// Width of a PNG [default: twice the size of the SVG].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: Option<u32>,
    /// Text as outlines, for SVG that looks the same on every machine.
    #[arg(long)]
    pub(crate) outlines: bool,
    /// The file to write [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also replace files that secateur did not write, and those that are read.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FigureArgs {
    /// Folders of results with a circuit, or folders above them.
    #[arg(required = true, value_name = "RESULT")]
    pub(crate) results: Vec<PathBuf>,
    /// What is drawn: for a paper, each circuit, plots of all results, and numbers.tex.
    #[arg(long, value_enum, default_value = "paper")]
    pub(crate) layout: LayoutArg,
    /// Format of the pictures.
    #[arg(long, value_enum, default_value = "pdf")]
    pub(crate) format: PictureArg,
    /// Colours for bright pages, dark pages, or paper.
    #[arg(long, value_enum, default_value = "light")]
    pub(crate) theme: ThemeArg,
    /// Where the logits are.
    #[arg(long, value_enum, default_value = "up")]
    pub(crate) direction: DirectionArg,
    /// Labels below the names of nodes: roles.json as `attention` writes it, or JSON such as {"a5.h1": "induction"}.
    #[arg(long, value_name = "ROLES.json")]
    pub(crate) roles: Option<PathBuf>,
    /// A circuit.ron whose edges the rankings should find; adds roc.
    #[arg(long, value_name = "CIRCUIT")]
    pub(crate) reference: Option<PathBuf>,
    /// Folder of the files.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Also replace files that secateur did not write, and those that are read.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The circuit: circuit.ron, or a JSON file in EAP-IG's format.
    pub(crate) circuit: PathBuf,
    /// Edges from the logits down.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) depth: u16,
    /// Edges into a node, the strongest.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) top: u16,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ThemeArg {
    Light,
    Dark,
    Print,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DirectionArg {
    Up,
    Right,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DetailArg {
    Fitting,
    Edges,
    Nodes,
    Layers,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LayoutArg {
    Paper,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PictureArg {
    Pdf,
    Tikz,
    Svg,
    Png,
}

impl From<DetailArg> for Detail {
    fn from(detail: DetailArg) -> Self {
        match detail {
            DetailArg::Fitting => Self::Fitting,
            DetailArg::Edges => Self::Edges,
            DetailArg::Nodes => Self::Nodes,
            DetailArg::Layers => Self::Layers,
        }
    }
}

impl From<ThemeArg> for Theme {
    fn from(theme: ThemeArg) -> Self {
        match theme {
            ThemeArg::Light => Self::Light,
            ThemeArg::Dark => Self::Dark,
            ThemeArg::Print => Self::Print,
        }
    }
}

/// The style that two arguments name.
pub(crate) fn style(theme: ThemeArg, direction: DirectionArg) -> Style {
    Style {
        theme: theme.into(),
        direction: match direction {
            DirectionArg::Up => Direction::Up,
            DirectionArg::Right => Direction::Right,
        },
    }
}

fn formats() -> clap::builder::PossibleValuesParser {
    let formats = secateur::report::exporters().iter();
    let values =
        formats.map(|format| clap::builder::PossibleValue::new(format.name()).help(format.about()));
    values.collect::<Vec<_>>().into()
}
