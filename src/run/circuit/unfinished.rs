//! The best circuit of a search that is not done, kept in the folder of the result in case it never is.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::discover::StopReason;
use crate::error::Result;
use crate::events::{Event, Observer};
use crate::graph::{Circuit, ComputationGraph, EdgeMask};
use crate::output::{remove_if_there, write_whole};
use crate::report::CircuitFile;
use crate::setting::Stopwatch;

/// The file. No other command takes it for a result, but all that read circuits can read it.
pub(crate) const UNFINISHED_FILE: &str = "circuit.unfinished.ron";
/// Seconds between two writes.
const EVERY: f64 = 10.0;

/// Writes the best circuit so far, from time to time.
pub(crate) struct Unfinished<'a> {
    path: PathBuf,
    observer: &'a dyn Observer,
    since: Mutex<Stopwatch>,
    /// The file of a circuit of this graph, its edges left out.
    file: &'a (dyn Fn(&ComputationGraph, &Circuit) -> CircuitFile + Sync),
}

impl<'a> Unfinished<'a> {
    /// For the result in a folder.
    pub(crate) fn new(
        folder: &Path,
        observer: &'a dyn Observer,
        file: &'a (dyn Fn(&ComputationGraph, &Circuit) -> CircuitFile + Sync),
    ) -> Self {
        Self {
            path: folder.join(UNFINISHED_FILE),
            observer,
            since: Mutex::new(Stopwatch::start()),
            file,
        }
    }

    /// Writes a circuit if the last one was written some time ago, or if it is the `last` one. What the disk refuses is told,
    /// and does not end the search.
    pub(crate) fn keep(&self, graph: &ComputationGraph, kept: &EdgeMask, last: bool) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if !last && since.seconds() < EVERY {
            return;
        }
        *since = Stopwatch::start();
        let circuit = Circuit {
            kept: kept.clone(),
            scores: None,
        };
        let file = CircuitFile {
            stop: StopReason::Interrupted,
            ..(self.file)(graph, &circuit)
        };
        let written = file
            .to_ron()
            .and_then(|text| write_whole(&self.path, text.as_bytes()));
        let path = self.path.display();
        match written {
            Ok(()) if last => self.observer.event(Event::Notice(format!(
                "the best circuit so far, {} of {} edges, is in {path}",
                kept.len(),
                graph.edge_count()
            ))),
            Ok(()) => {}
            Err(error) => self
                .observer
                .event(Event::Notice(format!("{path} cannot be written: {error}"))),
        }
    }
}

/// Removes the file of a search that is done by now.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    remove_if_there(&folder.join(UNFINISHED_FILE))
}
