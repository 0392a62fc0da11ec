#!/usr/bin/env python3
"""Write compact golden numbers for the parity tests.

Usage: golden_fixtures.py GOLDEN_FOLDER OUT_FILE, where GOLDEN_FOLDER holds prompts.json, scores.json,
faithfulness.json, activations.safetensors and, for some models, acdc.json, as made by EAP-IG, ACDC and auto-circuit.
Scores are written per pair (attribution times the batch size), numbers with 12 significant digits.
"""

import json
import math
import pathlib
import struct
import sys

GRADIENT = [
    "eap",
    "eap_ig_inputs_5",
    "eap_ig_inputs_5_kl",
    "eap_ig_activations_5",
    "clean_corrupted",
    "eap_zero",
]
ATTRIBUTION = {"A": [*GRADIENT, "eap_mean_positional"], "B": GRADIENT}
EXACT = {
    "A": ["exact", "exact_kl", "exact_zero", "exact_mean_positional", "exact_tool_loop"],
    "B": ["exact", "exact_kl", "exact_zero"],
}


def rounded(value):
    """Numbers to 12 significant digits, through lists."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.12g}")


def tensor(path, name):
    """A two-dimensional F64 tensor of a safetensors file as lists."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    entry = json.loads(data[8 : 8 + length])[name]
    assert entry["dtype"] == "F64", entry
    rows, columns = entry["shape"]
    begin = 8 + length + entry["data_offsets"][0]
    values = struct.unpack_from(f"<{rows * columns}d", data, begin)
    return [list(values[row * columns : (row + 1) * columns]) for row in range(rows)]


def score_set(scores, name):
    """The scores of one prompt set, attribution per pair."""
    batch = scores["meta"]["batch_size"][name]
    found = {key: scores["scores"][name][key] for key in EXACT[name]}
    for key in ATTRIBUTION[name]:
        found[key] = [value * batch for value in scores["scores"][name][key]]
    assert all(math.isfinite(value) for values in found.values() for value in values)
    return {key: rounded(values) for key, values in sorted(found.items())}


def circuits(rows):
    """Circuits listed edge by edge, with the logit differences and the mean KL under each ablation."""
    found = []
    for row in rows:
        if "kept" in row:
            entry = {
                "scores": row["scores"],
                "select": row["select"],
                "n": row["n"],
                "kept": row["kept"],
            }
            for ablation in ("patching", "zero", "mean-positional"):
                if ablation in row:
                    entry[ablation] = {
                        "logit_diff": rounded(row[ablation]["logit_diff_each"]),
                        "kl": rounded(row[ablation]["kl"]),
                    }
            entry["faithfulness"] = rounded(row["patching"]["faithfulness"])
            found.append(entry)
    return found


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    read = lambda name: json.loads((folder / name).read_text())
    prompts, scores, faithfulness = (
        read(name) for name in ("prompts.json", "scores.json", "faithfulness.json")
    )
    golden = {
        "edges": scores["edges"],
        "sets": {
            name: {
                "prompts": prompts[name],
                "scores": score_set(scores, name),
                "circuits": circuits(faithfulness[name]["rows"]),
            }
            for name in ("A", "B")
        },
        "last_logits": rounded(tensor(folder / "activations.safetensors", "logits_last")),
        "acdc": [],
    }
    if (folder / "acdc.json").exists():
        runs = read("acdc.json")
        golden["acdc"] = [
            {
                "tool": tool,
                "metric": run["metric"],
                "threshold": run["threshold"],
                "order": [[edge, rounded(change), kept] for edge, change, kept in run["order"]],
            }
            for tool in ("auto_circuit_acdc", "original_acdc")
            for run in runs[tool]
        ]
    out.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
