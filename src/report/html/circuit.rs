//! `report.html`: a circuit to look at, with everything that was measured of it.

use super::attention::AttentionExamples;
use super::data::{MOST_PAGE_EDGES, PageData};
use super::escape::{html, json};
use super::page::{Page, PageSection, paragraph, picture, preformatted, warnings};
use super::prompts::{self, PromptText};
use super::{curve, figures};
use crate::discover::Decision;
use crate::error::Result;
use crate::evaluate::{Evaluation, figure_doubts};
use crate::graph::{Circuit, ComputationGraph};
use crate::model::ModelIdentity;
use crate::report::text::{Text, one_line, thousands};
use crate::report::{CircuitFile, Exporter, Figure, FigureOptions, to_svg};

/// The parts share their names, in this order.
const SCRIPT: &str = concat!(
    include_str!("circuit_page/data.js"),
    include_str!("circuit_page/sizes.js"),
    include_str!("circuit_page/draw.js"),
    include_str!("circuit_page/show.js"),
    include_str!("circuit_page/move.js"),
    include_str!("circuit_page/details.js"),
    include_str!("circuit_page/controls.js"),
);
const CONTROLS: &str = include_str!("circuit_page/controls.html");

/// A circuit, and what a run knows beside it.
#[derive(Debug)]
pub struct CircuitPage<'a> {
    /// The circuit file.
    pub file: &'a CircuitFile,
    /// The graph it is a part of.
    pub graph: &'a ComputationGraph,
    /// The circuit; with a run's, the scores of all edges.
    pub circuit: &'a Circuit,
    /// What only a run knows.
    pub run: Option<RunDetails<'a>>,
}

/// What a run knows beside the circuit file.
#[derive(Debug)]
pub struct RunDetails<'a> {
    /// All figures.
    pub evaluation: &'a Evaluation,
    /// The decisions of a step-wise search.
    pub trace: Option<&'a [Decision]>,
    /// The prompts that `evaluation.held_out` is of.
    pub prompts: &'a [PromptText],
    /// Where heads look.
    pub attention: &'a AttentionExamples,
    /// Remarks that belong to the result.
    pub warnings: &'a [String],
    /// The spec in one line.
    pub spec: &'a str,
    /// Version of the program.
    pub secateur: &'a str,
}

impl RunDetails<'_> {
    /// Scores, curve, prompts and spec.
    fn sections(&self) -> Vec<PageSection> {
        let evaluation = self.evaluation;
        let held_out = &evaluation.held_out;
        let mut body = warnings(&[self.warnings, &figure_doubts(evaluation, held_out)].concat());
        body += &figures::of_evaluation(evaluation);
        let mut sections = vec![PageSection::new("figures", "Results", body)];
        if let Some(svg) = curve::svg(held_out, evaluation.edges_kept) {
            sections.push(PageSection::new("curve", "Curve", picture(&svg)));
        }
        if !self.prompts.is_empty() {
            let body = prompts::table(self.prompts, &held_out.each);
            sections.push(PageSection::new("prompts", "Prompts", body));
        }
        sections.push(PageSection::new("spec", "Spec", preformatted(self.spec)));
        sections
    }
}

/// Writes the page of a circuit file.
#[derive(Debug)]
pub struct Html;

impl Html {
    /// The page of a circuit file alone: its own edges, no curve, no prompts.
    ///
    /// # Errors
    /// When the file describes no circuit.
    pub fn of_file(file: &CircuitFile, figure: &Figure) -> Result<String> {
        let (graph, circuit) = file.circuit()?;
        let page = CircuitPage {
            file,
            graph: &graph,
            circuit: &circuit,
            run: None,
        };
        circuit_html(&page, figure)
    }
}

impl Exporter for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "a page to look through, with scripts"
    }

    fn export(&self, file: &CircuitFile, options: &FigureOptions) -> Result<Vec<u8>> {
        let figure = Figure::with(file, options)?;
        Self::of_file(file, &figure).map(String::into_bytes)
    }
}

/// The page of a circuit; `figure` is its drawing.
///
/// # Errors
/// Never for values of these types; the serialiser's signature allows it.
pub fn circuit_html(page: &CircuitPage<'_>, figure: &Figure) -> Result<String> {
    let file = page.file;
    let none = AttentionExamples::default();
    let attention = page.run.as_ref().map_or(&none, |run| run.attention);
    let data = json(&PageData::new(page, attention))?;
    let mut sections = vec![PageSection::new(
        "circuit",
        "Circuit",
        circuit_section(page, figure),
    )];
    sections.extend(match &page.run {
        Some(run) => run.sections(),
        None => vec![PageSection::new(
            "figures",
            "Results",
            figures::of_file(&file.figures),
        )],
    });
    let model = file.model.label();
    let subtitle = [&file.task, &model, &file.method, &file.ablation];
    let subtitle = subtitle.map(|part| one_line(part)).join(" · ");
    let version = page
        .run
        .as_ref()
        .map(|run| ("secateur", run.secateur.to_owned()));
    Ok(Page {
        title: &one_line(&file.name),
        subtitle: &subtitle,
        sections,
        provenance: version
            .into_iter()
            .chain([
                ("spec", file.name.clone()),
                ("hash of the spec", file.spec_hash.clone()),
                ("model", file.model.label()),
                ("weights", weights(file.model.identity.as_ref())),
                ("hash of the model", file.model.hash.clone()),
                ("task", file.task.clone()),
                ("hash of the data", file.data_hash.clone()),
                ("metric", file.metric.clone()),
                ("ablation", file.ablation.clone()),
                ("method", file.method.clone()),
            ])
            .collect(),
        script: Some((data, SCRIPT)),
    }
    .html())
}

/// How a model's weights are stored, where that is known.
fn weights(identity: Option<&ModelIdentity>) -> String {
    identity.map_or_else(|| "not known".into(), |identity| identity.weights.clone())
}

/// The controls, the drawing, and what stands in for them without a script.
fn circuit_section(page: &CircuitPage<'_>, figure: &Figure) -> String {
    let mut body = Text(CONTROLS.into());
    let all = page.circuit.scores.as_ref().map_or(0, Vec::len);
    let shown = match &page.run {
        None => "Only the circuit's own edges are known here; the page that a run writes knows the whole ranking and what \
                 was measured of it."
            .to_owned(),
        Some(_) if all > MOST_PAGE_EDGES => format!(
            "The {} edges with the largest |score| of {} are in this page, and those of the circuit.",
            thousands(MOST_PAGE_EDGES),
            thousands(all)
        ),
        Some(_) => String::new(),
    };
    if !shown.is_empty() {
        body.0 += &paragraph(&shown);
    }
    body.line(format_args!(
        "<figure id=\"drawing\" aria-label=\"{}\">\n{}</figure>",
        html(&one_line(&figure.caption)),
        to_svg(figure)
    ));
    body.0
}
