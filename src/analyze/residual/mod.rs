//! How the residual stream grows, how what is written to it lies to what is there, and who writes into a direction.

mod analysis;
mod parameters;
mod report;
mod run;
mod seen;
mod text;

pub use parameters::{Direction, Over, Residual};
pub use report::{DirectionScores, PartAlong, PlaceNorm, ResidualReport, WriterScores};
pub use run::{ResidualTask, residual};
pub use text::{
    cosines_svg, directions_csv, residual_csv, residual_html, residual_norm_svg, residual_text,
    residual_writes_svg,
};
