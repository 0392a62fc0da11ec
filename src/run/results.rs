//! Results on disk, read back for comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use super::eval::read_circuit_text;
use crate::error::{Error, Result};
use crate::input::{self, GIB};
use crate::report::{
    CircuitFile, Comparison, PaperReport, PaperResult, check_number, read_figures,
};
use crate::run::batch::commit::is_half_written;
use crate::run::batch::record::RunRecord;

/// The results in these folders and below them, in order of their paths.
///
/// One without a record is marked in its name.
///
/// # Errors
/// When a folder holds no result, or one that is not as its job wrote it, or a result cannot be read.
pub fn read_results(folders: &[PathBuf]) -> Result<Vec<Comparison>> {
    let read = |folder: &PathBuf| {
        let mut found = read_result(&folder.join(REPORT), &folder.join(CIRCUIT))?;
        if RunRecord::read(folder).is_none() {
            found.name.push_str(UNRECORDED);
        }
        Ok(found)
    };
    result_folders(folders)?.iter().map(read).collect()
}

/// The same results with all that figures show.
///
/// # Errors
/// As [`read_results`].
pub fn read_paper_results(folders: &[PathBuf]) -> Result<Vec<PaperResult>> {
    let folders = result_folders(folders)?;
    folders
        .iter()
        .map(|folder| read_paper_result(folder))
        .collect()
}

/// Results in folders that the user should know of before reading what the others say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsToMention {
    /// Circuits without a record that says what wrote them, as where files of a result were copied without its `run.json`.
    pub without_record: Vec<PathBuf>,
    /// Results of analyses, which hold no circuit and are left out.
    pub without_circuit: Vec<PathBuf>,
}

/// What to say of the results in these folders and below them.
///
/// # Errors
/// As [`read_results`].
pub fn results_to_mention(folders: &[PathBuf]) -> Result<ResultsToMention> {
    let mut without_record = result_folders(folders)?;
    without_record.retain(|it| RunRecord::read(it).is_none());
    let mut without_circuit = Vec::new();
    for folder in folders {
        collect(folder, &is_analysis, &mut without_circuit)?;
    }
    without_circuit.sort();
    without_circuit.dedup();
    Ok(ResultsToMention {
        without_record,
        without_circuit,
    })
}

pub(super) const REPORT: &str = "report.json";
const CIRCUIT: &str = "circuit.ron";
/// Bytes of edges.csv.
const LARGEST_TABLE: u64 = 4 * GIB;
/// What follows the name of a result of which nobody knows what wrote it.
const UNRECORDED: &str = " (no record)";

fn result_folders(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let (mut results, mut seen) = (Vec::new(), BTreeSet::new());
    for folder in folders {
        if !folder.is_dir() {
            return Err(Error::Usage(format!(
                "{}: no such folder",
                folder.display()
            )));
        }
        let mut found = Vec::new();
        collect(folder, &is_circuit, &mut found)?;
        found.iter().try_for_each(|it| whole(it))?;
        if found.is_empty() {
            return Err(Error::Usage(format!(
                "{}: no result (report.json with circuit.ron) in this folder or below it",
                folder.display()
            )));
        }
        for result in found {
            // A folder that is named twice, or with the folder that it is in, is one result.
            if seen.insert(fs::canonicalize(&result)?) {
                results.push(result);
            }
        }
    }
    Ok(results)
}

/// Refuses a result that is not as its job wrote it: what it says would pass for what was found.
fn whole(folder: &Path) -> Result<()> {
    let problem = if is_half_written(folder) {
        "a run ended while it wrote this result, or is writing it now".to_owned()
    } else if let Some(record) = RunRecord::read(folder)
        && let Some(file) = record.changed_file(folder)
    {
        format!("{file} is not as run.json says that it was written")
    } else {
        return Ok(());
    };
    Err(Error::data(
        folder.display().to_string(),
        format!("{problem}\nhint: run the spec again, or leave this folder out"),
    ))
}

fn is_circuit(folder: &Path) -> bool {
    folder.join(REPORT).is_file() && folder.join(CIRCUIT).is_file()
}

fn is_analysis(folder: &Path) -> bool {
    folder.join(REPORT).is_file() && !folder.join(CIRCUIT).is_file()
}

/// The folders below this one, and itself, that are of a kind, in order of their paths.
fn collect(folder: &Path, is: &dyn Fn(&Path) -> bool, results: &mut Vec<PathBuf>) -> Result<()> {
    if is(folder) {
        results.push(folder.to_owned());
    }
    let mut inner = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            inner.push(entry.path());
        }
    }
    inner.sort();
    inner
        .iter()
        .try_for_each(|folder| collect(folder, is, results))
}

fn read_circuit(path: &Path) -> Result<CircuitFile> {
    CircuitFile::from_ron(&read_circuit_text(path)?, &path.display().to_string())
}

fn read_paper_result(folder: &Path) -> Result<PaperResult> {
    let report = folder.join(REPORT);
    let name = report.display().to_string();
    let table = folder.join("edges.csv");
    let file = read_circuit(&folder.join(CIRCUIT))?;
    let scores = if table.is_file() {
        read_scores(&table, file.edges_total)?
    } else {
        None
    };
    Ok(PaperResult {
        file,
        report: PaperReport::parse(&read_circuit_text(&report)?, &name)?,
        scores,
    })
}

/// A row of edges.csv; other columns are ignored.
#[derive(Deserialize)]
struct Row {
    edge: String,
    score: Option<f64>,
}

/// Every edge's score, where the table has all edges with scores.
fn read_scores(table: &Path, edges: usize) -> Result<Option<BTreeMap<String, f64>>> {
    let mut scores = BTreeMap::new();
    let text = input::read(table, LARGEST_TABLE, "a table of edges")?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    for row in reader.deserialize() {
        let row: Row =
            row.map_err(|error| Error::data(table.display().to_string(), error.to_string()))?;
        if let Some(score) = row.score {
            check_number(score).map_err(|problem| {
                let problem = format!("edge `{}`: its score: {problem}", row.edge);
                Error::data(table.display().to_string(), problem)
            })?;
            scores.insert(row.edge, score);
        }
        if scores.len() > edges {
            break;
        }
    }
    Ok((scores.len() == edges).then_some(scores))
}

/// The figures of `report.json` that a comparison shows; others are ignored.
#[derive(Deserialize)]
struct Report {
    edges_kept: usize,
    edges_total: usize,
    faithfulness: Option<f64>,
    faithfulness_interval: Option<[f64; 2]>,
    accuracy_circuit: Option<f64>,
    accuracy_circuit_interval: Option<[f64; 2]>,
    random: Option<Random>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Random {
    mean: f64,
}

fn read_result(report: &Path, circuit: &Path) -> Result<Comparison> {
    let name = report.display().to_string();
    let figures: Report = read_figures(&read_circuit_text(report)?, &name)?;
    let file = read_circuit(circuit)?;
    Ok(Comparison {
        name: file.name,
        model: file.model.name,
        method: file.method,
        edges_kept: figures.edges_kept,
        edges_total: figures.edges_total,
        faithfulness: figures.faithfulness,
        interval: figures.faithfulness_interval,
        accuracy: figures.accuracy_circuit,
        accuracy_interval: figures.accuracy_circuit_interval,
        random: figures.random.map(|random| random.mean),
        warnings: figures.warnings,
    })
}
