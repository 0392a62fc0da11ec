#!/usr/bin/env python3
"""Measure Secateur and its peers side by side; see README.md in this folder."""

import argparse
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import programs
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
MODELS = ["gpt2-small", "smollm2-135m", "gpt2-tiny"]
TAUS = {"gpt2-small": [0.01], "smollm2-135m": [0.01], "gpt2-tiny": [0.01]}


def words(known):
    def parse(text):
        found = text.split(",")
        for word in found:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word} is none of {', '.join(known)}")
        return found

    return parse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / "target/bench-peers"
    parser.add_argument("--out", type=pathlib.Path, default=default / "results")
    parser.add_argument("--venv", type=pathlib.Path, default=default / "venv", help="made by install.sh")
    parser.add_argument("--secateur", type=pathlib.Path, default=ROOT / "target/release/secateur")
    parser.add_argument("--secateur-args", type=shlex.split, default=[], help="more arguments of `secateur bench`")
    parser.add_argument("--eap-ig", type=pathlib.Path, help="checkout of EAP-IG")
    parser.add_argument("--models", type=words(MODELS), default=MODELS[:2])
    parser.add_argument("--prompts", type=words(list(table.PROMPTS)), default=["late"])
    parser.add_argument("--works", type=words(list(programs.PEERS)), default=list(programs.PEERS))
    parser.add_argument("--rounds", type=int, default=5, help="of work under two minutes; longer work: at most 2")
    parser.add_argument("--sample", type=int, default=32, help="edges that stand for all of them")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--allocators", default="tcmalloc", help="of the peers: malloc, tcmalloc, or both with a comma")
    parser.add_argument("--tau", action="append", default=[], metavar="MODEL=T[,T..]", help="thresholds of ACDC")
    parser.add_argument("--limit", type=float, help="seconds after which a measurement is stopped")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--no-secateur", dest="ours", action="store_false")
    options = parser.parse_args()
    options.taus = dict(TAUS)
    for text in options.tau:
        model, _, values = text.partition("=")
        options.taus[model] = [float(value) for value in values.split(",")]
    options.python = options.venv / "bin/python"
    options.allocators = allocators(options.allocators)
    return options


def allocators(text):
    """Libraries to preload; None is the C library's own."""
    found = []
    for name in text.split(","):
        library = tcmalloc() if name == "tcmalloc" else None
        if name == "tcmalloc" and library is None:
            print("bench-peers: no tcmalloc (Debian: libtcmalloc-minimal4); malloc instead", file=sys.stderr)
        found.append(library)
    return list(dict.fromkeys(found))


def tcmalloc():
    """Its path as the linker knows it, the small build first."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout.splitlines()
    for name in ("libtcmalloc_minimal.so", "libtcmalloc.so"):
        for line in listed:
            if line.split()[:1] and line.split()[0].startswith(name):
                return line.rsplit("=>", 1)[1].strip()
    return None


def host():
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "cpu": names[0] if names else "unknown processor",
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load_at_start": os.getloadavg()[0],
    }


def prepare(options):
    """Models and prompts; a model that cannot be made is left out."""
    base = ROOT / "target/bench-peers"
    cases = []
    for model in options.models:
        folder = base / "models" / model
        gguf = [ROOT / "models/smollm2-135m.gguf"] if model == "smollm2-135m" else []
        try:
            if gguf and not gguf[0].exists():
                subprocess.run([ROOT / "scripts/get-models.sh", "smollm2"], check=True)
            subprocess.run([options.python, HERE / "models.py", model, folder, *gguf], check=True)
            for prompts in options.prompts:
                rows = base / f"rows-{model}-{prompts}.jsonl"
                subprocess.run([options.python, HERE / "prompts.py", folder, prompts, rows], check=True)
                cases += [programs.Case(work, model, prompts, folder, rows) for work in options.works]
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"bench-peers: no {model}: {error}", file=sys.stderr)
    return cases


def measure(case, run, options):
    """Rounds over all programs in turn, so that a slow minute of the machine meets them all."""
    entry = {"model": case.model, "prompts": case.prompts, "work": case.work, "programs": []}
    pairs = []
    for program in programs.programs(case, options):
        one = {"program": program.name, "setting": program.setting, "records": []}
        pairs.append((program, one))
    run["entries"].append(entry)
    try:
        rounds(case, run, options, (entry, pairs))
    finally:
        for program, _ in pairs:
            program.stop()


def rounds(case, run, options, into):
    entry, pairs = into
    for turn in range(options.rounds):
        for program, one in pairs:
            done = one["records"]
            if done and "error" in done[-1]:
                continue
            if turn >= 2 and done[0]["long"]:
                continue
            record = program.call(case)
            done.append(record)
            if one not in entry["programs"]:
                entry["programs"].append(one)
            run["versions"] |= record.get("versions", {})
            label = " ".join([case.model, case.prompts, case.work, program.name, program.setting])
            print(f"bench-peers: {label}: {record.get('seconds', record.get('error'))}", file=sys.stderr)
            table.write(run, options.out)


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    run = {
        "date": time.strftime("%Y-%m-%d"),
        "host": host(),
        "versions": {},
        "command": programs.shown(sys.argv, None, options),
        "entries": [],
    }
    if options.ours:
        try:
            found = subprocess.run([options.secateur, "--version"], capture_output=True, text=True, check=True)
            git = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
            run["versions"]["secateur"] = f"{found.stdout.split()[-1]} ({git.stdout.strip()})"
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"bench-peers: no Secateur: {error}; build it with cargo build --release, or --no-secateur")
    for case in prepare(options):
        measure(case, run, options)
    print(options.out / "peers.md")


if __name__ == "__main__":
    # Leaves through the same door as an interrupt, so that the running measurement is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
