//! A circuit file in any format: our own, EAP-IG's, or a circuit of features.

use crate::error::{Error, Result};
use crate::report::CircuitFile;
use crate::report::EapGraph;
use crate::report::FeaturesFile;

/// A circuit file, as read.
#[derive(Debug, Clone)]
pub enum AnyCircuit {
    /// `circuit.ron`.
    Own(Box<CircuitFile>),
    /// `circuit.json`, in EAP-IG's and MIB's format.
    Eap(Box<EapGraph>),
    /// `features.ron`.
    Features(Box<FeaturesFile>),
}

impl AnyCircuit {
    /// Reads a circuit file's text, which is JSON where its name or its first letter says so. `file_name` is for this
    /// and for messages.
    ///
    /// # Errors
    /// When the text is empty, or as [`CircuitFile::from_ron`] and [`EapGraph::parse`].
    pub fn parse(text: &str, file_name: &str) -> Result<Self> {
        let start = text.trim_start();
        if start.is_empty() {
            let problem = "the file is empty; a circuit is a circuit.ron, or a circuit.json in EAP-IG's format";
            return Err(Error::data(file_name, problem));
        }
        let json = file_name.to_ascii_lowercase().ends_with(".json") || start.starts_with('{');
        if json {
            return Ok(Self::Eap(Box::new(EapGraph::parse(text, file_name)?)));
        }
        if let Some(file) = FeaturesFile::from_ron(text, file_name) {
            return Ok(Self::Features(Box::new(file?)));
        }
        Ok(Self::Own(Box::new(CircuitFile::from_ron(text, file_name)?)))
    }
}
