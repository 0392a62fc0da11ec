//! The result about a sparse autoencoder: text for people, a table of features, plots, and the weights in the format
//! of `SAELens`.

use serde_json::{Map, Value, json};

use super::effects_text::{decomposed_section, effects_section};
use super::{Dictionary, SaeKind, SaeReport};
use crate::error::{Error, Result};
use crate::report::csv::{field, number};
use crate::report::plots::plot::{Plot, PlotPoint, Series};
use crate::report::table::table;
use crate::report::text::{Text, clip, one_line, short, thousands};

/// Characters of a context that the text shows.
const CONTEXT: usize = 60;
/// Lowest power of ten of the density histogram.
const LOWEST: i32 = -6;

/// The result as text; `about` says of what.
pub fn sae_text(report: &SaeReport, about: &str) -> String {
    let mut out = Text::default();
    out.line(format_args!("{about}"));
    for warning in &report.warnings {
        out.line(format_args!("warning: {warning}"));
    }
    let origin = match &report.loaded {
        None => format!(
            "trained on {} rows in {} steps; figures of {} rows of held-out text",
            thousands(report.rows_trained),
            thousands(report.steps),
            thousands(report.rows)
        ),
        Some(loaded) => {
            let model = loaded.model.as_ref();
            let model =
                model.map_or_else(String::new, |it| format!(", trained on {}", one_line(it)));
            format!(
                "loaded{model}; figures of {} rows of text",
                thousands(report.rows)
            )
        }
    };
    out.line(format_args!(
        "{} features of {} numbers, {origin}",
        thousands(report.features),
        report.width
    ));
    out.line(format_args!(
        "variance explained {}, {:.1} features active at a time, {:.1} % dead",
        report.variance_explained.map_or_else(
            || "undefined: the representation is the same everywhere".to_owned(),
            |share| format!("{:.1} %", 100.0 * share)
        ),
        report.l0,
        100.0 * report.dead
    ));
    let splice = &report.splice;
    out.line(format_args!(
        "loss {} nats a token as it is, {} with the reconstruction in its place, {} with zero{}",
        short(splice.clean),
        short(splice.reconstructed),
        short(splice.zero),
        splice.recovered.map_or_else(String::new, |share| {
            format!(": {:.1} % recovered", 100.0 * share)
        })
    ));
    let bins = report.density.iter().enumerate();
    let bins = bins.map(|(bin, count)| {
        format!(
            "1e{}: {}",
            LOWEST + i32::try_from(bin).unwrap_or(0),
            thousands(*count)
        )
    });
    out.line(format_args!(
        "features by the share of rows on which they are active, from {}",
        bins.collect::<Vec<_>>().join(", ")
    ));
    out.line(format_args!(""));
    let rows: Vec<Vec<String>> = report
        .described
        .iter()
        .map(|feature| {
            let contexts = feature.contexts.iter().take(2).map(|context| {
                let before: Vec<char> = one_line(&context.before).chars().collect();
                let from = before.len().saturating_sub(CONTEXT / 2);
                let before: String = before[from..].iter().collect();
                clip(&format!("{before}[{}]", one_line(&context.token)), CONTEXT)
            });
            vec![
                feature.feature.to_string(),
                contexts.collect::<Vec<_>>().join(" | "),
                format!("{:.2} %", 100.0 * feature.density),
                short(feature.mean),
            ]
        })
        .collect();
    out.0 += &table(
        &["feature", "most active at", "active on", "mean"],
        &rows,
        2,
    );
    out.0 += &decomposed_section(&report.decomposed);
    if let Some(effects) = &report.effects {
        out.0 += &effects_section(effects);
    }
    out.0
}

/// The features described, a row for each of their contexts.
pub fn sae_csv(report: &SaeReport) -> String {
    let mut out = Text::default();
    out.line(format_args!("feature,density,mean,activation,before,token"));
    for feature in &report.described {
        for context in &feature.contexts {
            out.line(format_args!(
                "{},{},{},{},{},{}",
                feature.feature,
                number(feature.density),
                number(feature.mean),
                number(context.activation),
                field(&context.before),
                field(&context.token)
            ));
        }
    }
    out.0
}

/// The loss by round as SVG.
pub fn training_svg(report: &SaeReport, title: &str) -> String {
    let line = |name: &str, of: fn(&crate::analyze::sae::Round) -> f64| Series {
        name: name.to_owned(),
        points: report
            .rounds
            .iter()
            .enumerate()
            .map(|(round, it)| PlotPoint {
                x: (round + 1) as f64,
                y: of(it),
                interval: None,
            })
            .collect(),
    };
    let plot = Plot {
        title: title.to_owned(),
        x_label: "round".into(),
        y_label: "loss of a row; inputs of squared norm d".into(),
        reference: None,
        series: vec![
            line("reconstruction", |it| it.reconstruction),
            line("sparsity", |it| it.sparsity),
        ],
    };
    plot.svg()
}

/// The histogram of densities as SVG.
pub fn density_svg(report: &SaeReport, title: &str) -> String {
    let bins = report.density.iter().enumerate();
    let plot = Plot {
        title: title.to_owned(),
        x_label: "power of ten of the share of rows on which a feature is active".into(),
        y_label: "features".into(),
        reference: None,
        series: vec![Series {
            name: format!("{:.1} % dead", 100.0 * report.dead),
            points: bins
                .map(|(bin, &count)| PlotPoint {
                    x: f64::from(LOWEST) + bin as f64,
                    y: count as f64,
                    interval: None,
                })
                .collect(),
        }],
    };
    plot.svg()
}

/// What `cfg.json` says besides the shape.
#[derive(Debug, Clone, Copy)]
pub struct LensStamp<'s> {
    /// The model.
    pub model: &'s str,
    /// Name of the place in `TransformerLens`.
    pub hook: &'s str,
    /// The layer.
    pub layer: usize,
    /// Tokens of a context.
    pub context: usize,
    /// Positions at the start of each context that were left out.
    pub skip_first: usize,
    /// Whether contexts begin with a beginning-of-sequence token.
    pub prepend_bos: bool,
}

/// `cfg.json` and `sae_weights.safetensors` as `SAELens` reads them; inputs are taken as they come, so the scale is folded
/// into the weights. `BatchTopK` becomes `jumprelu`, as it is used after training.
///
/// # Errors
/// Never for numbers; the serialiser's signature allows it.
pub fn sae_lens(dictionary: &Dictionary<f32>, stamp: &LensStamp<'_>) -> Result<[Vec<u8>; 2]> {
    let (width, features) = (dictionary.width, dictionary.features);
    let architecture = match dictionary.kind {
        SaeKind::Relu { .. } => "standard",
        SaeKind::TopK { .. } => "topk",
        SaeKind::BatchTopK { .. } | SaeKind::JumpRelu { .. } => "jumprelu",
        SaeKind::Gated { .. } => "gated",
    };
    let mut config = json!({
        "architecture": architecture,
        "d_in": width,
        "d_sae": features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": true,
        "normalize_activations": "none",
        "reshape_activations": if stamp.hook.ends_with("hook_z") { "hook_z" } else { "none" },
        "model_name": stamp.model,
        "hook_name": stamp.hook,
        "hook_layer": stamp.layer,
        "context_size": stamp.context,
        "seqpos_slice": [stamp.skip_first, null],
        "prepend_bos": stamp.prepend_bos,
        "metadata": {
            "model_name": stamp.model,
            "hook_name": stamp.hook,
            "context_size": stamp.context,
            "seqpos_slice": [stamp.skip_first, null],
            "prepend_bos": stamp.prepend_bos,
        },
    });
    if let SaeKind::TopK { k } = dictionary.kind {
        config["k"] = json!(k);
        config["activation_fn_str"] = json!("topk");
        config["activation_fn_kwargs"] = json!({ "k": k });
    } else {
        config["activation_fn_str"] = json!("relu");
        config["activation_fn_kwargs"] = json!({});
    }
    let bug = |error: serde_json::Error| Error::Bug(format!("cfg.json: {error}"));
    let mut text = serde_json::to_vec_pretty(&config).map_err(bug)?;
    text.push(b'\n');

    let scale = dictionary.scale as f32;
    let by = |values: &[f32], factor: f32| values.iter().map(|value| factor * value).collect();
    let mut tensors: Vec<(&str, Vec<usize>, Vec<f32>)> = vec![
        (
            "W_dec",
            vec![features, width],
            by(&dictionary.decoder, 1.0 / scale),
        ),
        (
            "W_enc",
            vec![width, features],
            by(&dictionary.encoder, scale),
        ),
        (
            "b_dec",
            vec![width],
            by(&dictionary.decoder_bias, 1.0 / scale),
        ),
    ];
    let bias = dictionary.encoder_bias.clone();
    match dictionary.kind {
        SaeKind::Gated { .. } => {
            let (scales, biases) = dictionary.sparsity.split_at(features);
            tensors.push(("b_gate", vec![features], bias));
            tensors.push(("b_mag", vec![features], biases.to_vec()));
            tensors.push(("r_mag", vec![features], scales.to_vec()));
        }
        SaeKind::JumpRelu { .. } => {
            let thresholds = dictionary.sparsity.iter().map(|it| it.exp()).collect();
            tensors.push(("b_enc", vec![features], bias));
            tensors.push(("threshold", vec![features], thresholds));
        }
        SaeKind::BatchTopK { .. } => {
            tensors.push(("b_enc", vec![features], bias));
            tensors.push((
                "threshold",
                vec![features],
                vec![dictionary.sparsity[0]; features],
            ));
        }
        SaeKind::Relu { .. } | SaeKind::TopK { .. } => {
            tensors.push(("b_enc", vec![features], bias));
        }
    }
    Ok([text, tensors_file(&tensors)?])
}

/// A safetensors file of single-precision tensors, in their order.
fn tensors_file(tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> Result<Vec<u8>> {
    let mut header = Map::new();
    let mut end = 0;
    for (name, shape, values) in tensors {
        let start = end;
        end += 4 * values.len();
        let entry = json!({ "data_offsets": [start, end], "dtype": "F32", "shape": shape });
        header.insert((*name).to_owned(), entry);
    }
    let mut bytes = serde_json::to_vec(&Value::Object(header))
        .map_err(|error| Error::Bug(format!("sae_weights.safetensors: {error}")))?;
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
    file.append(&mut bytes);
    for (_, _, values) in tensors {
        for value in values {
            file.extend(value.to_le_bytes());
        }
    }
    Ok(file)
}
