//! Real models against recorded facts, as `scripts/get-models.sh smollm2 gemma3` fetches them.
//!
//! `cargo test` leaves this out, because the models are downloads: `cargo test --release --test real_model`, with
//! `smollm2` or `gemma3` after it for one of them.

#[cfg(test)]
mod facts;
#[cfg(test)]
mod gemma3;
#[cfg(test)]
mod smollm2;
