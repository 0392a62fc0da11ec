"""Turn measurements into Markdown and JSON."""

import json
import statistics

# EAP-IG as measured earlier on 2 cores of another machine, for runs without a checkout of it: 16 pairs of 15 tokens, set
# `late`. No ratio is made of them.
RECORDED = {
    ("gpt2-small", "eap"): 11.2,
    ("smollm2-135m", "eap"): 14.0,
    ("gpt2-small", "eap-ig"): 46.6,
    ("smollm2-135m", "eap-ig"): 57.0,
}
TITLES = {
    "forward": "forward, logits at every position",
    "eap": "EAP",
    "eap-ig": "EAP-IG, 5 steps",
    "evaluate": "evaluation of ten circuit sizes",
    "exact": "exact patching of every edge",
    "acdc": "ACDC to completion",
}
PROMPTS = {
    "late": "16 pairs of 15 tokens that differ from token 10 on (from 0)",
    "early": "16 pairs of 15 tokens that differ from the second token on",
}


def summary(records):
    """Median, range and memory of the measurements of one program."""
    good = [record for record in records if "error" not in record]
    if not good:
        return {"error": records[-1]["error"]}
    seconds = [record["seconds"] for record in good]
    peaks = [record["peak_anonymous_bytes"] for record in good if record.get("peak_anonymous_bytes")]
    found = {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "times": len(good),
        "peak_anonymous_bytes": max(peaks, default=None),
        "extrapolated": bool(good[0].get("extrapolated")),
    }
    keep = ("edges", "kept", "threads")
    found |= {key: good[-1][key] for key in keep if good[-1].get(key) is not None}
    if found["extrapolated"]:
        found["sample"] = good[0]["sample"]
        found["seconds_an_edge"] = statistics.median(record["seconds_an_edge"] for record in good)
    failed = [record["error"] for record in records if "error" in record]
    if failed:
        found["failed"] = failed
    return found


def duration(seconds):
    if seconds < 1:
        return f"{seconds:.3f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def memory(size):
    return "" if size is None else f"{size / 1e9:.2f}"


def ratio(value, ours):
    return f"{value / ours:.3g}x" if value and ours else ""


def rows_of(entry):
    """Table lines of one work on one model and set of prompts."""
    named = entry["programs"]
    ours = [one for one in named if one["program"] == "secateur" and "error" not in one["summary"]]
    lines = []
    for one in named:
        found, label = one["summary"], " ".join(filter(None, [one["program"], one["setting"]]))
        if "kept" in found:
            label += f", {found['kept']} edges kept"
        if "error" in found:
            lines.append([label, f"failed: {found['error']}", "", "", "", ""])
            continue
        time = duration(found["seconds"])
        if found["extrapolated"]:
            time += f" (extrapolated, {found['seconds_an_edge']:.2f} s an edge, {found['sample']} edges)"
        span = f"{duration(found['fastest'])} to {duration(found['slowest'])}, {found['times']}x"
        base = ours[0]["summary"] if ours and one not in ours else {}
        faster = ratio(found["seconds"], base.get("seconds"))
        less = ratio(found["peak_anonymous_bytes"], base.get("peak_anonymous_bytes"))
        lines.append([label, time, span, memory(found["peak_anonymous_bytes"]), faster, less])
    recorded = RECORDED.get((entry["model"], entry["work"]))
    if recorded and entry["prompts"] == "late" and not any(one["program"] == "eap-ig" for one in named):
        lines.append(["eap-ig, recorded on another machine", duration(recorded), "", "", "", ""])
    return lines


def markdown(run):
    host = run["host"]
    text = ["# Secateur and its peers\n"]
    text.append(f"{host['cpu']}, {host['cores']} cores, {host['memory_bytes'] / 1e9:.0f} GB; {run['date']}.\n")
    text.append("Versions: " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".\n")
    if host["load_at_start"] > 0.5:
        text.append(f"**The machine was not idle: load {host['load_at_start']:.1f} at the start.**\n")
    text.append(
        "Median seconds, range, peak anonymous memory in GB, and how many times Secateur (its first setting) is faster "
        "and how many times less memory it takes.\n"
    )
    head = ["program", "time", "range", "GB", "Secateur is faster", "memory"]
    for entry in run["entries"]:
        text.append(f"## {entry['model']}: {TITLES[entry['work']]}\n\n{PROMPTS[entry['prompts']]}\n")
        lines = [head, ["---"] * len(head), *rows_of(entry)]
        text.append("\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines) + "\n")
    text.append("## Commands\n\n```\n" + "\n".join(commands(run)) + "\n```\n")
    return "\n".join(text)


def commands(run):
    found = [run["command"]]
    for entry in run["entries"]:
        found += [one["records"][0]["command"] for one in entry["programs"] if one["records"]]
    return found


def write(run, folder):
    """Write both files; called after every measurement, so that an interrupted run leaves what it has."""
    for entry in run["entries"]:
        for one in entry["programs"]:
            one["summary"] = summary(one["records"])
    (folder / "peers.json").write_text(json.dumps(run, indent=1) + "\n")
    (folder / "peers.md").write_text(markdown(run))
