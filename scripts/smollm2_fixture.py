#!/usr/bin/env python3
"""Write compact golden numbers of SmolLM2-135M for tests/real_model.

Usage: smollm2_fixture.py GOLDEN_FOLDER OUT_FILE, where GOLDEN_FOLDER holds prompts.json, golden.json and
scores_eap.safetensors ([sources, destinations] in F32, 0 where there is no edge), as made by EAP-IG in single
precision. Of each method's scores the 200 largest by magnitude are written and 200 others, evenly spaced by rank; all
per pair (times the batch size), with 8 significant digits.
"""

import json
import pathlib
import struct
import sys

LARGEST = OTHERS = 200


def rounded(value):
    return float(f"{value:.8g}")


def tensors(path):
    """The F32 matrices of a safetensors file as flat tuples."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", entry
        begin, end = entry["data_offsets"]
        found[name] = struct.unpack_from(f"<{(end - begin) // 4}f", data, 8 + length + begin)
    return found


def sample(scores, sources, dests, batch):
    """Names and scores of the largest edges and of others."""
    names = [f"{source}->{dest}" for source in sources for dest in dests]
    edges = [(name, score) for name, score in zip(names, scores) if score != 0]
    edges.sort(key=lambda edge: -abs(edge[1]))
    rest = edges[LARGEST:]
    chosen = edges[:LARGEST] + rest[:: len(rest) // OTHERS][:OTHERS]
    return [[name, rounded(score * batch)] for name, score in chosen]


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    golden = json.loads((folder / "golden.json").read_text())
    meta = golden["meta"]
    keys = ("clean", "corrupt", "answer", "wrong")
    prompts = json.loads((folder / "prompts.json").read_text())["A"]
    scores = tensors(folder / "scores_eap.safetensors")
    compact = {
        "prompts": [{key: prompt[key] for key in keys} for prompt in prompts],
        "scores": {
            name: sample(scores[name], meta["sources"], meta["dests"], meta["batch_size"])
            for name in ("eap", "eap_ig_inputs_5")
        },
        "exact": sorted(golden["exact"].items()),
        "circuits": [
            [row["n"], row["n_after_prune"], rounded(row["faithfulness"])]
            for row in golden["faithfulness"]
            if row["n"] > 0
        ],
    }
    out.write_text(json.dumps(compact, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
