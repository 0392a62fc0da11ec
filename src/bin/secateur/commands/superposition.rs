//! `secateur superposition`: whether sparse autoencoders recover features that are known.

use secateur::Result;
use secateur::analyze::sae::{Recipe, Recovery, SaeKind, Superposition};
use secateur::report::{decimals, table_within};
use secateur::spec::ron_line;

use crate::args::SuperpositionArgs;
use crate::output;
use crate::ui::SingleUi;

/// Rows of a training step.
const BATCH: usize = 256;
const LEARNING_RATE: f64 = 3e-3;

pub(crate) fn superposition(args: &SuperpositionArgs, quiet: bool) -> Result<u8> {
    let toy = Superposition::new(args.width, args.features, args.active, args.seed)?;
    let k = args.active;
    let kinds = [
        SaeKind::Relu { l1: 2.5 },
        SaeKind::TopK { k },
        SaeKind::BatchTopK { k },
        SaeKind::JumpRelu {
            l0: 1.0,
            bandwidth: 0.5,
        },
        SaeKind::Gated { l1: 4.0 },
    ];
    let ui = SingleUi::new(quiet);
    let mut found = Vec::new();
    for kind in kinds {
        let recipe = Recipe {
            kind,
            features: args.features,
            tokens: 0,
            batch: BATCH,
            learning_rate: LEARNING_RATE,
            seed: args.seed,
        };
        let recovery = toy.recover(&recipe, args.rounds, &ui);
        if recovery.is_err() {
            ui.finish();
        }
        found.push(recovery?);
    }
    ui.finish();
    let text = if args.json {
        serde_json::json!({
            "width": args.width,
            "features": args.features,
            "active": args.active,
            "rounds": args.rounds,
            "seed": args.seed,
            "recovered": found,
        })
        .to_string()
            + "\n"
    } else {
        let header = [
            "kind",
            "mean max cosine",
            "random",
            "cosine >= 0.9",
            "l0",
            "variance explained",
        ];
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        format!(
            "{} features in {} coordinates, {} active in a row\n\n{}",
            args.features,
            args.width,
            args.active,
            table_within(&header, &rows, 1, output::columns())
        )
    };
    output::data(text.as_bytes())?;
    Ok(0)
}

fn row(found: &Recovery) -> Vec<String> {
    vec![
        ron_line(&found.kind),
        decimals(found.mean_max_cosine),
        decimals(found.random),
        format!("{:.0} %", 100.0 * found.found),
        format!("{:.2}", found.l0),
        found.variance_explained.map_or_else(String::new, decimals),
    ]
}
