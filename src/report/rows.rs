//! Which rows of the data played which part.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Rows of a data file or of a generated task by the part that they played, as `report.json` has them under `split`: ascending,
/// counted from 1 as messages count them, as text such as `1-3, 7`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(Vec<(&'static str, String)>);

impl Rows {
    /// The rows of discovery and those held out, numbered from 0.
    pub fn split([discovery, held_out]: [Vec<usize>; 2]) -> Self {
        Self::default()
            .with("discovery", discovery)
            .with("held_out", held_out)
    }

    /// Adds a part with its rows, numbered from 0.
    #[must_use]
    pub fn with(mut self, part: &'static str, rows: impl IntoIterator<Item = usize>) -> Self {
        self.0.push((part, ranges(rows.into_iter().collect())));
        self
    }

    /// Whether nothing was divided.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Rows as text, counted from 1.
fn ranges(mut rows: Vec<usize>) -> String {
    rows.sort_unstable();
    let runs = rows.chunk_by(|one, next| one + 1 == *next);
    let runs = runs.map(|run| match run {
        [one] => (one + 1).to_string(),
        run => format!("{}-{}", run[0] + 1, run[run.len() - 1] + 1),
    });
    runs.collect::<Vec<_>>().join(", ")
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (part, rows) in &self.0 {
            map.serialize_entry(part, rows)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ranges_counted_from_one() {
        assert_eq!(ranges(vec![]), "");
        assert_eq!(ranges(vec![0]), "1");
        assert_eq!(ranges(vec![6, 0, 1, 2, 9, 8]), "1-3, 7, 9-10");
        let rows = Rows::split([vec![0, 2], vec![1]]).with("unknown", 3..5);
        let text = serde_json::to_string(&rows).expect("text");
        assert_eq!(
            text,
            r#"{"discovery":"1, 3","held_out":"2","unknown":"4-5"}"#
        );
    }
}
