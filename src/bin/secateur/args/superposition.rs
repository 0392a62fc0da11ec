//! Arguments of `superposition`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct SuperpositionArgs {
    /// Coordinates.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) width: usize,
    /// Known features, and features of the dictionary.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) features: usize,
    /// Features active in a row.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) active: usize,
    /// Rounds of training, of 4096 rows each.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) rounds: usize,
    /// Seed of the features, the rows and the dictionaries.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
