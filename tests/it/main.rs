//! Integration tests: one binary, one module per topic.

mod engine;
mod oracle;
mod twin;
