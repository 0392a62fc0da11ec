//! `features.ron`: a circuit of features, and the drawing of one.

use std::collections::{BTreeMap, BTreeSet};

use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};

use super::figure::{Figure, FigureEdge, FigureNode, Port};
use super::figure_nodes::row;
use super::limits::check_number;
use super::style::Style;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::model::ModelIdentity;
use crate::report::text::{clip, number_of, short};

/// Version of the format.
pub(crate) const FORMAT: u32 = 1;
/// Nodes that are drawn at most, those with the largest `|score|`.
const DRAWN: usize = 80;

/// Where a circuit of features comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSource {
    /// The model.
    pub model: String,
    /// Its hash.
    pub model_hash: String,
    /// What its files say that it is; unknown in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_identity: Option<ModelIdentity>,
    /// The spec in one line.
    pub spec: String,
    /// Hashes of the data and of the dictionaries.
    pub data_hash: String,
}

/// A circuit of features on its own: where it comes from, its figures on held-out pairs, nodes and edges with scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturesFile {
    /// Version of the format.
    pub format: u32,
    /// Where it comes from.
    pub source: FeatureSource,
    /// Scores by name.
    pub figures: BTreeMap<String, f64>,
    /// Features and errors, largest `|score|` first.
    pub nodes: Vec<ScoredNode>,
    /// Edges between them, largest `|score|` first.
    pub edges: Vec<FeatureEdge>,
}

/// A feature or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoredNode {
    /// Its name, such as `r3.f17`.
    pub node: String,
    /// Its score.
    pub score: f64,
}

/// An edge between two nodes, or from a node to `logits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureEdge {
    /// The earlier node's name.
    pub from: String,
    /// The later node's name.
    pub to: String,
    /// How much of the metric is lost through it when the earlier node is replaced, to first order.
    pub score: f64,
}

impl FeaturesFile {
    /// The file's text.
    ///
    /// # Errors
    /// Never for values of this type; the serialiser's signature allows it.
    pub fn to_ron(&self) -> Result<String> {
        let style = ron::ser::PrettyConfig::new().new_line("\n").depth_limit(2);
        let mut text = options()
            .to_string_pretty(self, style)
            .map_err(|error| Error::Bug(format!("features.ron: {error}")))?;
        text.push('\n');
        Ok(text)
    }

    /// Reads and checks the text of a `features.ron`; `None` when it is something else. `file_name` is for messages only.
    ///
    /// # Errors
    /// When it is of another format, a node is named twice or has no such name, an edge has an end that is no node, or a
    /// score is not finite.
    pub(crate) fn from_ron(text: &str, file_name: &str) -> Option<Result<Self>> {
        let file: Self = options().from_str(text).ok()?;
        Some(match file.check() {
            Ok(()) => Ok(file),
            Err(problem) => Err(Error::data(file_name, problem)),
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!(
                "format {} of features.ron is not known; this version reads format {FORMAT}",
                self.format
            ));
        }
        let mut known = BTreeSet::from(["logits"]);
        for node in &self.nodes {
            let name = &node.node[..];
            if !name
                .parse::<Node>()
                .is_ok_and(|node| node.is_of_dictionary())
            {
                return Err(format!(
                    "{:?} is neither a feature nor an error",
                    clip(name, 60)
                ));
            }
            if !known.insert(name) {
                return Err(format!("the node {name} is there twice"));
            }
        }
        let ends = self.edges.iter().flat_map(|edge| [&edge.from, &edge.to]);
        if let Some(end) = ends.into_iter().find(|end| !known.contains(&end[..])) {
            return Err(format!(
                "an edge ends at {:?}, which is no node of it",
                clip(end, 60)
            ));
        }
        let scores = self.nodes.iter().map(|node| node.score);
        let mut scores = scores.chain(self.edges.iter().map(|edge| edge.score));
        scores
            .try_for_each(check_number)
            .map_err(|problem| format!("a score: {problem}"))?;
        self.figures.iter().try_for_each(|(name, figure)| {
            check_number(*figure).map_err(|problem| format!("figure {name:?}: {problem}"))
        })
    }

    /// The circuit as a figure.
    ///
    /// # Errors
    /// Never for a file that was read.
    pub fn figure(&self, style: Style) -> Result<Figure> {
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|it| (&it.node[..], format!("{} ({})", it.node, short(it.score))));
        let features = self
            .nodes
            .iter()
            .filter(|it| it.node.contains(".f"))
            .count();
        let kept = [features, self.nodes.len() - features];
        let faithfulness = self.figures.get("faithfulness").copied();
        let source = &self.source;
        let label = |identity: &ModelIdentity| identity.label(&source.model);
        let model = source.model_identity.as_ref().map(label);
        let title = format!(
            "features of {}",
            model.unwrap_or_else(|| source.model.clone())
        );
        draw(
            (&title, &counted(kept, faithfulness)),
            nodes,
            &self.edges,
            style,
        )
    }
}

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

/// Numbers of features and errors, and the faithfulness, for captions.
pub(crate) fn counted([features, errors]: [usize; 2], faithfulness: Option<f64>) -> String {
    let faithfulness = faithfulness.map_or_else(String::new, |value| {
        format!(" · faithfulness\u{a0}{value:.2}")
    });
    let drawn = if features + errors > DRAWN {
        format!(" · the {DRAWN} strongest drawn")
    } else {
        String::new()
    };
    let of = |count, noun| number_of(count, noun).replace(' ', "\u{a0}");
    let (features, errors) = (of(features, "feature"), of(errors, "error"));
    format!("{features}, {errors}{faithfulness}{drawn}")
}

/// A circuit of features as a figure: its strongest nodes, given with what is known of them, in the order in which the model
/// computes them, and the edges among them.
///
/// # Errors
/// When a name is not one of a node.
pub(crate) fn draw<'n>(
    (title, caption): (&str, &str),
    strongest: impl Iterator<Item = (&'n str, String)>,
    edges: &[FeatureEdge],
    style: Style,
) -> Result<Figure> {
    let parse = |name: &str| {
        let node = name.parse::<Node>();
        node.map_err(|problem| Error::data("a circuit of features", problem))
    };
    let mut nodes = vec![(Node::Logits, None)];
    for (name, about) in strongest.take(DRAWN) {
        nodes.push((parse(name)?, Some(about)));
    }
    let mut rows: Vec<usize> = nodes.iter().map(|(node, _)| row(node)).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut nodes: Vec<FigureNode> = nodes
        .into_iter()
        .map(|(node, about)| FigureNode {
            node,
            label: node.to_string(),
            rank: rows.partition_point(|&other| other < row(&node)),
            group: None,
            column: None,
            is_source: false,
            ports: None,
            writes: true,
            role: None,
            about,
        })
        .collect();
    nodes.sort_by_key(|it| (it.rank, it.node));
    let index: BTreeMap<Node, usize> = nodes.iter().map(|it| it.node).zip(0..).collect();
    let mut drawn = Vec::new();
    for edge in edges {
        let ends = (index.get(&parse(&edge.from)?), index.get(&parse(&edge.to)?));
        let (Some(&from), Some(&to)) = ends else {
            continue;
        };
        drawn.push(FigureEdge {
            from,
            to,
            port: Port::Only,
            score: Some(edge.score),
            tooltip: format!("{}->{}: {}", edge.from, edge.to, short(edge.score)),
        });
    }
    drawn.sort_by_key(|it| (it.from, it.to));
    let largest = drawn.iter().filter_map(|it| it.score).map(f64::abs);
    Ok(Figure {
        title: clip(title, 120),
        caption: caption.to_owned(),
        largest: largest.fold(0.0, f64::max),
        nodes,
        edges: drawn,
        grouped: false,
        bundled: false,
        columns: Vec::new(),
        style,
    })
}
