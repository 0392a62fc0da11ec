//! Values of a question that make no sense, gathered so that all are told at once.

/// Mistakes, each with its key in the spec.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(pub Vec<(&'static str, String)>);

impl Mistakes {
    /// Notes a mistake unless `holds`.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        key: &'static str,
        problem: impl FnOnce() -> String,
    ) {
        if !holds {
            self.0.push((key, problem()));
        }
    }

    /// Requires a number of some things within bounds.
    pub(crate) fn within(
        &mut self,
        key: &'static str,
        bounds: std::ops::RangeInclusive<usize>,
        got: usize,
    ) {
        self.require(bounds.contains(&got), key, || match bounds.start() {
            0 => format!("expected at most {}, got {got}", bounds.end()),
            least => format!("expected {least} to {}, got {got}", bounds.end()),
        });
    }
}
