#!/usr/bin/env python3
"""Measure how the cost of Secateur's work grows; see README.md in this folder."""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import models

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = {
    "forward": "forward, all logits",
    "eap": "EAP",
    "eap-ig": "EAP-IG, 5 steps",
    "evaluate": "ten circuits",
    "exact": "exact patching",
    "acdc": "ACDC",
}
FAST = ["forward", "eap", "eap-ig", "evaluate"]
ALL = [*FAST, "exact", "acdc"]

WIDTH, LAYERS, HEADS, PAIRS, LENGTH = 256, 4, 4, 16, 16
EXAMPLES = [16, 32, 64, 128, 256]
LENGTHS = [8, 16, 32, 64, 128, 256]
DEPTHS = [1, 2, 4, 8, 16]
# Heads of one stream, from wide to narrow: the products stay as large, only the edges become more.
SPLITS = [2, 4, 8, 16, 32]
# Exact patching and ACDC are left out where edges, layers and tokens multiply to more than this.
MOST = 32 * 10**5
TAU = 0.1
# The sweep of ACDC: layers, and thresholds; under the first no edge ever goes, which is what a full circuit costs.
SWEEP_LAYERS = 6
SWEEP_TAUS = [-1e9, 0.03, 0.1]


class Bench:
    """Runs `secateur bench` on models and rows that are made when they are first needed."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.threads = None
        # What was measured, by arguments; kept after every measurement, so that a run that was stopped goes on.
        self.known = {}
        if options.data and options.data.exists():
            self.known = json.loads(options.data.read_text())

    def model(self, layers, heads):
        folder = self.folder / f"model-{layers}-{heads}"
        if not folder.exists():
            models.write_model(folder, layers, heads, WIDTH)
        return folder

    def run(self, works, layers=LAYERS, heads=None, pairs=PAIRS, length=LENGTH, tau=TAU, repeat=None):
        """What was measured, by work."""
        heads = heads or HEADS
        key = f"{works} {layers} {heads} {WIDTH} {pairs} {length} {tau} {repeat or self.options.repeat}"
        if key not in self.known:
            self.known[key] = self.measure(works, layers, heads, pairs, length, tau, repeat)
            if self.options.data:
                self.options.data.write_text(json.dumps(self.known))
        found = self.known[key]
        self.threads = found[0]["threads"]
        return {record["work"]: record for record in found}

    def measure(self, works, layers, heads, pairs, length, tau, repeat):
        rows = self.folder / f"rows-{pairs}-{length}.jsonl"
        if not rows.exists():
            models.write_rows(rows, pairs, length)
        command = [
            self.options.secateur,
            "bench",
            self.model(layers, heads),
            f"--rows={rows}",
            f"--work={','.join(works)}",
            f"--repeat={repeat or self.options.repeat}",
            f"--tau={tau}",
            "--json",
        ]
        if self.options.threads:
            command.append(f"--threads={self.options.threads}")
        print(f"{layers} layers, {heads} heads, {pairs} pairs of {length}: {', '.join(works)}", file=sys.stderr)
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"secateur bench failed:\n{result.stderr}")
        return [json.loads(line) for line in result.stdout.splitlines()]

    def draw(self, picture):
        """Has all records drawn by `secateur render`."""
        records = self.folder / "growth.jsonl"
        lines = [json.dumps(record) for found in self.known.values() for record in found]
        records.write_text("\n".join(lines) + "\n")
        command = [self.options.secateur, "render", records, "--format=svg", f"--out={picture}"]
        subprocess.run(command, check=True)

    def grow(self, values, sizes):
        """Fastest seconds of every work at every size: `{work: {value: seconds}}`."""
        found = {}
        for value in values:
            chosen = sizes(value)
            layers, heads = chosen.get("layers", LAYERS), chosen.get("heads", HEADS)
            tokens = chosen.get("pairs", PAIRS) * chosen.get("length", LENGTH)
            slow = ["exact", "acdc"] if models.edges(layers, heads) * layers * tokens <= MOST else []
            records = self.run(FAST, **chosen)
            records.update(self.run(slow, repeat=1, **chosen) if slow else {})
            for work, record in records.items():
                found.setdefault(work, {})[value] = min(record["seconds"])
        return found


def exponent(points):
    """The power of x that y grows with, by least squares of the logarithms."""
    points = [(math.log(x), math.log(y)) for x, y in points]
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    above = sum((x - x_mean) * (y - y_mean) for x, y in points)
    return above / sum((x - x_mean) ** 2 for x, _ in points)


def seconds(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def growth_table(name, found):
    values = sorted({value for points in found.values() for value in points})
    lines = [
        f"| {name} | {' | '.join(f'{value:,}' for value in values)} | exponent | of the last step |",
        "|---|" + "---|" * (len(values) + 2),
    ]
    for work in ALL:
        if work not in found:
            continue
        points = sorted(found[work].items())
        cells = [seconds(found[work][value]) if value in found[work] else "-" for value in values]
        exponents = f"{exponent(points):.2f} | {exponent(points[-2:]):.2f}"
        lines.append(f"| {NAMES[work]}, s | {' | '.join(cells)} | {exponents} |")
    return lines


def sweep_points(record):
    """Milliseconds a test against the share of edges decided, in the middle of each part."""
    edges = record["sweep"][0]["edges"]
    ends = [part["decided"] for part in record["sweep"][1:]] + [edges]
    return [
        (50 * (part["decided"] + end) / edges, 1000 * part["seconds"] / part["tested"])
        for part, end in zip(record["sweep"], ends)
    ]


def sweep_table(sweeps):
    lines = [
        "| threshold | edges kept | | " + " | ".join(f"part {part}" for part in range(1, 9)) + " |",
        "|---|---|---|" + "---|" * 8,
    ]
    for tau, record in sweeps.items():
        parts = record["sweep"]
        name = "nothing goes" if tau < 0 else f"{tau:g}"
        rows = {
            "tests": [f"{part['tested']:,}" for part in parts],
            "edges left before": [f"{part['edges']:,}" for part in parts],
            "ms per test": [f"{1000 * part['seconds'] / part['tested']:.3f}" for part in parts],
        }
        for label, cells in rows.items():
            cells += ["-"] * (8 - len(cells))
            lines.append(f"| {name} | {record['edges']:,} | {label} | {' | '.join(cells)} |")
    return lines


def interpolated(points, x):
    """A line's height at x, constant beyond its ends."""
    points = sorted(points)
    if x <= points[0][0]:
        return points[0][1]
    for (x1, y1), (x2, y2) in zip(points, points[1:]):
        if x <= x2:
            return y1 + (y2 - y1) * (x - x1) / (x2 - x1)
    return points[-1][1]


def findings(growths, sweeps):
    """What the numbers say, in sentences."""
    lines = []
    for name, key in [("examples", "examples"), ("sequence length", "length")]:
        points = sorted(growths[key]["eap-ig"].items())
        per_token = [value / x for x, value in points]
        lines.append(
            f"- EAP-IG grows with the number of tokens to the power {exponent(points):.2f} by {name} "
            f"({points[0][0]} to {points[-1][0]}); a token costs {per_token[-1] / per_token[0]:.2f} times as much at the "
            "largest as at the smallest."
        )
    full = sweep_points(sweeps[SWEEP_TAUS[0]])
    for tau in SWEEP_TAUS[1:]:
        points = sweep_points(sweeps[tau])
        ratios = [y / interpolated(full, x) for x, y in points]
        left = sweeps[tau]["sweep"][-1]["edges"] / sweeps[tau]["sweep"][0]["edges"]
        lines.append(
            f"- ACDC at {tau:g}, {SWEEP_LAYERS} layers: a test takes {points[0][1]:.3f} ms in the first eighth of the tests "
            f"and {points[-1][1]:.3f} ms in the last, in which {100 * left:.0f}% of the edges are left. Testing an edge into an "
            f"earlier layer recomputes more layers. Relative to the same eighth of a run that removes nothing, a test takes "
            f"{ratios[0]:.2f} times as long in the first eighth and {ratios[-1]:.2f} times in the last."
        )
    lines.append(
        "- A test's time includes runs that were wasted on a wrong prediction of which edges would be removed; if nothing is "
        "removed, no prediction is wrong. "
        "How many edges ACDC removes, and so what it costs, depends on the prompts: it need not grow with their number."
    )
    return lines


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown processor"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secateur", type=pathlib.Path, default=ROOT / "target/release/secateur")
    parser.add_argument("--svg", type=pathlib.Path, default=ROOT / "docs/img/growth.svg")
    parser.add_argument("--table", type=pathlib.Path, default=ROOT / "docs/growth.md")
    parser.add_argument("--repeat", type=int, default=2, help="repetitions, of which the fastest counts; of exact and ACDC 1")
    parser.add_argument("--threads", type=int, help="threads [default: all cores]")
    parser.add_argument("--data", type=pathlib.Path, help="keeps what was measured; what it holds is not measured again")
    parser.add_argument("--width", type=int, default=WIDTH, help=f"d_model [default: {WIDTH}]")
    parser.add_argument("--heads", type=int, default=HEADS, help=f"heads of a layer [default: {HEADS}]")
    options = parser.parse_args()
    globals().update(WIDTH=options.width, HEADS=options.heads)
    with tempfile.TemporaryDirectory() as folder:
        growths, sweeps, machine = measure(options, pathlib.Path(folder))

    names = {"examples": "pairs", "length": "tokens of a prompt", "layers": "layers", "edges": "edges"}
    lines = [
        "# How the cost grows",
        "",
        "Written by `scripts/bench-growth/growth.py`, which says how to repeat it. Measured on one machine: "
        f"{machine}. Random models in the shape of GPT-2 with d_model {WIDTH}, {LAYERS} layers of {HEADS} heads and {PAIRS} "
        f"pairs of {LENGTH} tokens unless varied; pairs differ in their second token, so the shared prefix saves next to "
        "nothing. An exponent of 1 is linear growth.",
        "",
        "![Cost against examples, sequence length, layers and edges](img/growth.svg)",
        "",
        *findings(growths, sweeps),
    ]
    for key, found in growths.items():
        lines += ["", f"## By {names[key]}", "", *growth_table(names[key], found)]
    lines += ["", "## ACDC's tests, in eighths of their number", "", *sweep_table(sweeps)]
    options.table.write_text("\n".join(lines) + "\n")
    print(f"wrote {options.svg} and {options.table}", file=sys.stderr)


def measure(options, folder):
    bench = Bench(options, folder)
    by_heads = bench.grow(SPLITS, lambda heads: {"heads": heads})
    growths = {
        "examples": bench.grow(EXAMPLES, lambda pairs: {"pairs": pairs}),
        "length": bench.grow(LENGTHS, lambda length: {"length": length}),
        "layers": bench.grow(DEPTHS, lambda layers: {"layers": layers}),
        "edges": {
            work: {models.edges(LAYERS, heads): value for heads, value in points.items()}
            for work, points in by_heads.items()
        },
    }
    sweeps = {
        tau: bench.run(["acdc"], layers=SWEEP_LAYERS, tau=tau, repeat=1)["acdc"]
        for tau in SWEEP_TAUS
    }
    bench.draw(options.svg)
    return growths, sweeps, f"{processor()}, {bench.threads} threads"


if __name__ == "__main__":
    main()
