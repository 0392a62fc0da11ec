//! Search: pruning methods over an evaluator. Never sees the model.

mod acdc;
mod decision;
mod forecast;
mod judge;
mod method;
mod order;
mod record;
mod search;
mod select;
mod sweep;
mod target;
mod units;
mod walk;

pub use acdc::{Acdc, AcdcResult};
pub use decision::{Decision, TraceLine};
pub use judge::can_judge;
pub use method::{Method, Select, Target};
pub use order::{EdgeOrder, ListMistake, ListedEdges};
pub use record::{Iteration, Limit, SearchRecord, StopReason};
pub use search::{Discovery, Search, discover, discover_within};
pub use select::Selected;
pub use walk::Watcher;
