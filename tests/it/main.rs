//! Integration tests: one binary, one module per topic.

mod cli;
mod engine;
mod layering;
mod models;
mod oracle;
mod report;
mod specs;
mod tasks;
mod twin;
