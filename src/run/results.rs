//! Results on disk, read back for comparison.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use super::eval::read_circuit_text;
use crate::error::{Error, Result};
use crate::report::CircuitFile;
use crate::report::Comparison;

/// The results in these folders and below them, in order of their paths.
///
/// # Errors
/// When a folder holds no result, or a result cannot be read.
pub fn read_results(folders: &[PathBuf]) -> Result<Vec<Comparison>> {
    let mut results = Vec::new();
    for folder in folders {
        if !folder.is_dir() {
            return Err(Error::Usage(format!(
                "{}: no such folder",
                folder.display()
            )));
        }
        let before = results.len();
        collect(folder, &mut results)?;
        if results.len() == before {
            return Err(Error::Usage(format!(
                "{}: no result (report.json with circuit.ron) in this folder or below it",
                folder.display()
            )));
        }
    }
    Ok(results)
}

fn collect(folder: &Path, results: &mut Vec<Comparison>) -> Result<()> {
    let (report, circuit) = (folder.join("report.json"), folder.join("circuit.ron"));
    if report.is_file() && circuit.is_file() {
        results.push(read_result(&report, &circuit)?);
    }
    let mut inner = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            inner.push(entry.path());
        }
    }
    inner.sort();
    inner.iter().try_for_each(|folder| collect(folder, results))
}

/// The figures of `report.json` that a comparison shows; others are ignored.
#[derive(Deserialize)]
struct Report {
    edges_kept: usize,
    edges_total: usize,
    faithfulness: Option<f64>,
    faithfulness_interval: Option<[f64; 2]>,
    accuracy_circuit: Option<f64>,
    random: Option<Random>,
}

#[derive(Deserialize)]
struct Random {
    mean: f64,
}

fn read_result(report: &Path, circuit: &Path) -> Result<Comparison> {
    let figures: Report = serde_json::from_str(&read_circuit_text(report)?)
        .map_err(|error| Error::data(report.display().to_string(), error.to_string()))?;
    let name = circuit.display().to_string();
    let file = CircuitFile::from_ron(&read_circuit_text(circuit)?, &name)?;
    Ok(Comparison {
        name: file.name,
        model: file.model.name,
        method: file.method,
        edges_kept: figures.edges_kept,
        edges_total: figures.edges_total,
        faithfulness: figures.faithfulness,
        interval: figures.faithfulness_interval,
        accuracy: figures.accuracy_circuit,
        random: figures.random.map(|random| random.mean),
    })
}
