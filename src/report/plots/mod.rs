//! Plots and heat maps, and what turns any SVG into other formats.

pub(crate) mod axis;
pub(crate) mod curves;
#[cfg(feature = "pictures")]
pub(crate) mod drawable;
pub(crate) mod growth;
pub(crate) mod heat_map;
#[cfg(feature = "pictures")]
pub(crate) mod picture;
pub(crate) mod plot;
pub(crate) mod plot_colours;
#[cfg(feature = "pictures")]
pub(crate) mod tikz;
