//! Integration tests: one binary, one module per topic.

mod acdc;
mod baselines;
mod cli;
mod cli_kill;
mod determinism;
mod engine;
mod exact;
mod golden;
mod graph;
mod layering;
mod models;
mod oracle;
mod order;
mod report;
mod selection;
mod specs;
mod synthetic;
mod target;
mod tasks;
mod twin;
