//! The list of edges that a spec's ACDC run follows: read, and held against the models whose headers are there.

use std::path::Path;

use super::RunSpec;
use super::files::folder_of;
use super::position::{KeyPath, position_of};
use crate::discover::{EdgeOrder, ListedEdges, Method};
use crate::error::SpecMistake;
use crate::graph::{ComputationGraph, Mlps, NeuronNodes, PositionSplit, Prune};
use crate::model::read_header;
use crate::paths::place;

const KEY: &str = "method.Acdc.order";

/// Reads the list that a spec names, if any, and gives what is wrong with it; lines are those of the list.
pub(super) fn read(spec: &mut RunSpec, text: &str, file: &Path) -> Vec<SpecMistake> {
    let Method::Acdc(acdc) = &mut spec.method else {
        return Vec::new();
    };
    let EdgeOrder::Listed(list) = &mut acdc.order else {
        return Vec::new();
    };
    let at_key = |problem: String| {
        let (line, column) = position_of(text, &KeyPath::new(KEY));
        vec![SpecMistake {
            file: file.to_owned(),
            line,
            column,
            key: KEY.to_owned(),
            problem,
        }]
    };
    if spec.granularity.prune != Prune::Edges {
        return at_key("a list orders edges\nhint: use granularity: (prune: Edges)".into());
    }
    if spec.granularity.mlps != Mlps::Whole {
        return at_key(
            "which neurons are nodes is found by the run, so a list cannot name their edges\n\
             hint: use granularity: (mlps: Whole)"
                .into(),
        );
    }
    let place = place(folder_of(file), list.path());
    if !place.is_file() {
        return at_key(format!("no such file: {}", place.display()));
    }
    match list.read(folder_of(file)) {
        Ok(read) => *list = read,
        Err(error) => return at_key(error.to_string()),
    }
    let list = list.clone();
    mistakes_on_models(spec, &list, file)
}

/// What is wrong with the list on each model whose headers can be read; others are checked when they are loaded.
fn mistakes_on_models(spec: &RunSpec, list: &ListedEdges, file: &Path) -> Vec<SpecMistake> {
    let base = folder_of(file);
    let mut found = Vec::new();
    if spec.granularity.positions == PositionSplit::Spans {
        // The spans are known with the prompts only.
        return found;
    }
    for model in &spec.models {
        let Ok(header) = read_header(model, base) else {
            continue;
        };
        let graph = ComputationGraph::new(&header.config, &spec.granularity, &NeuronNodes::new());
        let Ok(graph) = graph else { continue };
        let mistakes = list.resolve(&graph).err().unwrap_or_default();
        found.extend(mistakes.into_iter().map(|mistake| SpecMistake {
            file: base.join(list.path()),
            line: mistake.line,
            column: 0,
            key: String::new(),
            problem: format!("{} (model {model:?})", mistake.problem),
        }));
    }
    found
}
