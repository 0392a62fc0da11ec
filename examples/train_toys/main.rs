//! Trains the built-in toy models on the generated tasks and writes them as Hugging Face folders.
//!
//! `cargo run --release --example train_toys -- --out DIR [--model toy-gpt2] [--steps N]`
//!
//! The same program on the same CPU type writes the same bytes. Fails when a model does a task in less than 97 %
//! of the held-out prompts.
#![expect(
    clippy::print_stdout,
    reason = "a program that reports on its standard output"
)]

mod init;
mod lessons;
mod net;
mod shape;
mod train;
mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What can fail here: arguments, data, candle, files.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Seed of weights and batches.
const SEED: u64 = 7;

/// The least held-out accuracy of a model that is shipped.
const LEAST_ACCURACY: f64 = 0.97;

fn main() -> Result<()> {
    let mut out = None;
    let mut only = None;
    let mut steps = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--out" => out = Some(PathBuf::from(value)),
            "--model" => only = Some(value),
            "--steps" => {
                steps = Some(value.parse().map_err(|error| format!("--steps: {error}"))?);
            }
            _ => {
                return Err(format!(
                    "unknown argument {argument}; use --out DIR, --model NAME, --steps N"
                )
                .into());
            }
        }
    }
    let out = out.ok_or("name the folder to write with --out DIR")?;
    if let Some(name) = &only
        && !shape::NAMES.contains(&name.as_str())
    {
        return Err(format!("no model {name}; there are {}", shape::NAMES.join(" and ")).into());
    }
    for name in shape::NAMES {
        if only.as_deref().is_none_or(|only| only == name) {
            make(
                name,
                &out.join(name),
                steps.unwrap_or_else(|| shape::steps(name)),
            )?;
        }
    }
    Ok(())
}

/// Trains one model and writes its folder.
fn make(name: &str, folder: &Path, steps: usize) -> Result<()> {
    let tokenizer_json = words::tokenizer_json()?;
    let tokenizer = words::tokenizer(&tokenizer_json)?;
    let shape = shape::shape(name, words::count(&tokenizer_json)?);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let courses = lessons::courses(&tokenizer, &shape)?;
    let tokens = shape.d_vocab;
    let net = net::Net::new(shape, &mut rng)?;
    let parameters: usize = net
        .parameters
        .values()
        .map(|var| var.as_tensor().elem_count())
        .sum();
    println!("{name}: {parameters} parameters, {tokens} tokens");
    train::train(&net, &courses, steps, &mut rng)?;

    let tensors: HashMap<&str, Tensor> = net
        .parameters
        .iter()
        .map(|(name, var)| (name.as_str(), var.as_tensor().clone()))
        .collect();
    let mut accurate = true;
    for course in &courses {
        let accuracy = train::accuracy(&net, &course.held_out)?;
        println!(
            "{name}: {} held-out accuracy {:.2} %",
            course.name,
            100.0 * accuracy
        );
        accurate &= accuracy >= LEAST_ACCURACY;
    }
    fs_err::create_dir_all(folder)?;
    let config = serde_json::to_string_pretty(&shape::config_json(&net.shape))? + "\n";
    fs_err::write(folder.join("config.json"), config)?;
    fs_err::write(folder.join("tokenizer.json"), tokenizer_json)?;
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors"))?;
    if !accurate {
        let least = 100.0 * LEAST_ACCURACY;
        return Err(format!(
            "{name} does a task in less than {least:.0} % of the held-out prompts"
        )
        .into());
    }
    Ok(())
}
