//! Batches of jobs: which jobs there are, several at a time, and how the files of each come to stand in its folder.

pub(crate) mod commit;
pub(crate) mod job;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod models;
pub(crate) mod plan;
pub(crate) mod provenance;
pub(crate) mod question;
pub(crate) mod record;
pub(crate) mod run;
pub(crate) mod unchanged;
