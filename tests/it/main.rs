//! Integration tests: one binary, one module per topic.

mod engine;
mod models;
mod oracle;
mod report;
mod tasks;
mod twin;
