//! Configurations as transformers 4 wrote them, which is how most models are published, say the same as those of
//! transformers 5.

use secateur::model::load_model;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::families::fixtures;

/// What version 4 had at the top, from what version 5 keeps in `rope_parameters`.
type Older = fn(&Map<String, Value>) -> Value;

fn plain(rope: &Map<String, Value>) -> Value {
    json!({ "rope_theta": rope["rope_theta"], "rope_scaling": null })
}

fn linear(rope: &Map<String, Value>) -> Value {
    let scaling = json!({ "type": "linear", "factor": rope["factor"] });
    json!({ "rope_theta": rope["rope_theta"], "rope_scaling": scaling })
}

fn llama3(rope: &Map<String, Value>) -> Value {
    let mut scaling = rope.clone();
    let theta = scaling.remove("rope_theta");
    json!({ "rope_theta": theta, "rope_scaling": scaling })
}

fn neox(rope: &Map<String, Value>) -> Value {
    json!({ "rotary_emb_base": rope["rope_theta"], "rotary_pct": rope["partial_rotary_factor"] })
}

fn gemma3(rope: &Map<String, Value>) -> Value {
    let (local, global) = (&rope["sliding_attention"], &rope["full_attention"]);
    json!({
        "rope_theta": global["rope_theta"],
        "rope_local_base_freq": local["rope_theta"],
        "rope_scaling": { "rope_type": "linear", "factor": global["factor"] },
        "layer_types": null,
        "sliding_window_pattern": 2,
    })
}

fn phi3(kind: &str, rope: &Map<String, Value>) -> Value {
    json!({
        "rope_theta": rope["rope_theta"],
        "partial_rotary_factor": rope["partial_rotary_factor"],
        "original_max_position_embeddings": rope["original_max_position_embeddings"],
        "rope_scaling": {
            "type": kind, "short_factor": rope["short_factor"], "long_factor": rope["long_factor"],
        },
    })
}

#[test]
fn older_configurations_say_the_same() {
    let cases: [(&str, Older); 12] = [
        ("gpt_neox", neox),
        ("gpt_neox-sequential", neox),
        ("llama-linear", linear),
        ("llama-3", llama3),
        ("smollm", plain),
        ("mistral", plain),
        ("qwen2", plain),
        ("qwen3", plain),
        ("gemma2", plain),
        ("gemma3_text", gemma3),
        ("phi3", |rope| phi3("longrope", rope)),
        ("phi3", |rope| phi3("su", rope)),
    ];
    for (name, older) in cases {
        let folder = fixtures().join(name);
        let text = fs_err::read_to_string(folder.join("config.json")).expect("the fixture");
        let mut config: Map<String, Value> = serde_json::from_str(&text).expect("an object");
        let rope = config.remove("rope_parameters").expect("rotary positions");
        if name != "gemma3_text" {
            // Which layers have windows followed from other keys.
            config.remove("layer_types");
        }
        let Value::Object(keys) = older(rope.as_object().expect("an object")) else {
            panic!("{name}: not an object");
        };
        config.extend(keys);
        let other = TempDir::new().expect("a folder");
        let text = Value::Object(config).to_string();
        fs_err::write(other.path().join("config.json"), text).expect("written");
        let weights = "model.safetensors";
        fs_err::copy(folder.join(weights), other.path().join(weights)).expect("copied");
        let found = load_model(".", other.path()).expect("the model");
        let wanted = load_model(".", &folder).expect("the model");
        assert_eq!(found.config(), wanted.config(), "{name}");
    }
}
