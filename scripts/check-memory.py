#!/usr/bin/env python3
"""See whether every method keeps `--memory`: the peak of anonymous memory against the limit, as a Markdown table.

Usage: scripts/check-memory.py [--secateur FILE] [--limits 0.2,0.4] [--pairs N]

Makes a random model of 6 layers in the shape of GPT-2 and pairs of prompts, runs a spec with each method within each limit, with
patch, zero and mean ablation, and reads the peak that `run.json` has. Pairs differ in one token, at places that take turns. Fails
when a peak is more than 10 % above its limit, or when the circuits or traces of two limits differ. Exact patching and ACDC, which
try every edge, run with patch ablation alone, on a model of a third of the layers within half of the limits.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts/bench-growth"))
import models  # noqa: E402

METHODS = {
    "exact": "Exact()",
    "eap": "Eap()",
    "eap-ig": "EapIg(steps: 5)",
    "eap-ig-activations": "EapIgActivations(steps: 5)",
    "clean-corrupted": "CleanCorrupted()",
    "acdc": "Acdc(tau: 0.02)",
}
ABLATIONS = ["Patch", "Zero", "Mean"]
HEADS, WIDTH, LENGTH = 8, 512, 16
# These try every edge, so their model is smaller, and the limits are too.
SLOW = ["exact", "acdc"]
# Layers, and the share of the limits, of the two models.
MODELS = {"model": (6, 1.0), "small": (2, 0.5)}


def model(method):
    return "small" if method in SLOW else "model"


def spec(name, method, ablation):
    select = "" if method == "acdc" else "select: TopN(edges: 200), "
    return (
        f'(format: 1, name: "{name}", models: ["{model(method)}"], task: Tokens("rows.jsonl"), metric: LogitDiff, '
        f"ablation: {ablation}, method: {METHODS[method]}, {select}outputs: [])"
    )


def measure(options, folder, method, ablation, limit):
    name = f"{method}-{ablation.lower()}"
    path = folder / f"{name}.ron"
    path.write_text(spec(name, method, ablation))
    out = folder / f"results-{limit}"
    command = [options.secateur, "run", path, f"--memory={limit}", f"--out={out}", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{name} within {limit} GB: {result.stderr}")
    job = out / name / model(method)
    found = json.loads((job / "run.json").read_text())["circumstances"]
    results = b"".join(file.read_bytes() for file in sorted([job / "circuit.ron", *job.glob("trace.jsonl")]))
    return found["peak_anonymous_bytes"] / 1e9, found["wall_seconds"], results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secateur", type=pathlib.Path, default=ROOT / "target/release/secateur")
    parser.add_argument("--limits", default="0.2,0.4", help="GB [default: 0.2,0.4]")
    parser.add_argument("--pairs", type=int, default=64)
    options = parser.parse_args()
    limits = [float(limit) for limit in options.limits.split(",")]
    wrong = []
    print("| method | ablation | `--memory`, GB | peak, GB | of the limit | s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, (layers, _) in MODELS.items():
            models.write_model(folder / name, layers, HEADS, WIDTH)
        models.write_rows(folder / "rows.jsonl", options.pairs, LENGTH, places=(1, 5, 0, LENGTH - 1))
        for method in METHODS:
            for ablation in ABLATIONS[:1] if method in SLOW else ABLATIONS:
                results = set()
                share = MODELS[model(method)][1]
                for limit in (share * limit for limit in limits):
                    peak, seconds, result = measure(options, folder, method, ablation, limit)
                    results.add(result)
                    print(f"| {method} | {ablation} | {limit} | {peak:.3f} | {100 * peak / limit:.0f} % | {seconds:.0f} |", flush=True)
                    if peak > 1.1 * limit:
                        wrong.append(f"{method} with {ablation} took {peak:.3f} GB of {limit}")
                if len(results) > 1:
                    wrong.append(f"{method} with {ablation}: the limit changes the circuit or its trace")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
