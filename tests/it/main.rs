//! Integration tests: one binary, one module per topic.

mod cli;
mod engine;
mod models;
mod oracle;
mod report;
mod specs;
mod tasks;
mod twin;
