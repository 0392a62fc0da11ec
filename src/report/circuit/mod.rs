//! Circuits as files and drawings.

pub(crate) mod any_circuit;
pub(crate) mod circuit_file;
pub(crate) mod collapse;
pub(crate) mod dot;
pub(crate) mod eap_json;
pub(crate) mod features_file;
pub(crate) mod figure;
pub(crate) mod figure_nodes;
pub mod layout;
pub(crate) mod limits;
pub(crate) mod roles;
pub(crate) mod scores;
pub(crate) mod show;
pub(crate) mod style;
pub(crate) mod svg;
