//! Loading models: formats agree with each other, and broken files are refused with a helpful text.

#[cfg(unix)]
mod changed;
mod configurations;
mod demand;
mod families;
mod files;
mod formats;
mod gguf_metadata;
mod gguf_tokenizers;
mod refusals;
mod tokenizers;
mod unusable;
mod variants;
