//! Files that questions read, each with its key in the spec.

use std::path::{Path, PathBuf};

use super::Analysis;
use super::sae::dictionary_files;
use crate::task::TaskSource;

impl Analysis {
    /// Each file with its key, as the spec has it; that of the task of the spec is not among them.
    pub(crate) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let keyed = |key: &'static str, files: Vec<&Path>| {
            let files = files.into_iter();
            files.map(|file| (key, file.to_owned())).collect::<Vec<_>>()
        };
        match self {
            Self::Attention(_) | Self::Tracing(_) => Vec::new(),
            Self::Edit(edit) => keyed(
                "analysis.Edit.text",
                edit.text.as_deref().into_iter().collect(),
            ),
            Self::FeatureCircuit(features) => {
                let files = features.files();
                keyed(
                    "analysis.FeatureCircuit.dictionaries",
                    files.iter().map(PathBuf::as_path).collect(),
                )
            }
            Self::Lens(lens) => keyed("analysis.Lens.tuned", lens.files()),
            Self::Neurons(neurons) => {
                let sets = neurons.sets.iter();
                let files = sets.flat_map(|sets| {
                    [
                        ("analysis.Neurons.sets.behaviour", sets.behaviour.clone()),
                        ("analysis.Neurons.sets.other", sets.other.clone()),
                    ]
                });
                files.collect()
            }
            Self::Patchscope(patchscope) => patchscope
                .file()
                .map_or_else(Vec::new, |(key, file)| keyed(key, vec![file])),
            Self::Prompt(prompt) => {
                let tuned = prompt.lens.as_ref().and_then(|it| it.tuned.as_deref());
                keyed("analysis.Prompt.lens", tuned.into_iter().collect())
            }
            Self::Relation(relation) => keyed("analysis.Relation.data", vec![&relation.data]),
            Self::Residual(residual) => keyed("analysis.Residual.directions", residual.files()),
            Self::Sae(sae) => {
                let files = sae.text.files().iter();
                let text = keyed(
                    "analysis.Sae.text.Files",
                    files.map(PathBuf::as_path).collect(),
                );
                let folder = sae.load.iter().flat_map(|it| dictionary_files(it));
                let dictionary = folder.map(|file| ("analysis.Sae.load", file));
                text.into_iter().chain(dictionary).collect()
            }
            Self::Vector(vector) => keyed(
                "analysis.Vector.text",
                vector.text.as_deref().into_iter().collect(),
            ),
        }
    }

    /// Another task than that of the spec whose prompts are used.
    pub(crate) fn other_task(&self) -> Option<&TaskSource> {
        match self {
            Self::Vector(vector) => vector.add_to.as_ref(),
            _ => None,
        }
    }
}
