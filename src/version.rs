//! What this program is.

/// Version of secateur.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Hash of the sources that results are computed by (`build.rs`): other sources may compute other results, whatever their
/// version says.
pub const SOURCES: &str = env!("SECATEUR_SOURCES");
