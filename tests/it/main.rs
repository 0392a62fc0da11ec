//! Integration tests: one binary, one module per topic.

mod ablations;
mod acdc;
mod activation_path;
mod baselines;
mod cli;
mod cli_kill;
mod curve;
mod determinism;
mod engine;
mod exact;
mod golden;
mod graph;
mod layering;
mod metrics;
mod models;
mod nodes;
mod oracle;
mod order;
mod report;
mod selection;
mod shapes;
mod specs;
mod synthetic;
mod target;
mod tasks;
mod twin;
