//! How the residual stream grows, how what is written to it lies to what is there, and who writes into a direction.

mod parameters;
mod report;
mod run;
mod seen;

pub use parameters::{Direction, Over, Residual};
pub use report::{DirectionFigures, PartAlong, PlaceNorm, ResidualReport, WriterFigures};
pub use run::{ResidualTask, residual};
