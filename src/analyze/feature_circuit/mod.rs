//! Which features of sparse autoencoders a behaviour needs: circuits whose nodes are features and what the autoencoders
//! leave (Marks et al., arXiv:2403.19647).

mod analysis;
mod contexts;
mod decomposition;
mod edges;
mod evaluator;
mod file;
mod judge;
mod parameters;
mod placed;
mod replacement;
mod report;
mod run;
mod text;

pub use edges::feature_edges;
pub use evaluator::FeatureEvaluator;
pub use file::features_file;
pub use parameters::{DictionarySource, FeatureCircuit, Keep};
pub use placed::{SaeAtSite, SaeNodes};
pub use replacement::Replacement;
pub use report::{FeatureCircuitReport, NodeScores, SaeScores, Share};
pub(crate) use run::bytes_of;
pub use run::{FeatureTask, find_features};
pub use text::{feature_circuit_text, feature_edges_csv, feature_nodes_csv, features_figure};
