#!/usr/bin/env python3
"""Runs the commands that the pages show, page by page in their order, into one folder.

    scripts/docs-commands.py [--out FOLDER] [--long] [--list]

A command is a line of an `sh` block, or a piece of code in a sentence that begins with `secateur`, a subcommand and an
argument. Lines of syntax (with MODEL, [--out DIR] or `..`) are not run: their subcommand and options have to be in the help.
Every subcommand is run at least once. A command fails when its exit code is not 0, or when it changes a result that another
one wrote. Commands of many minutes (LONG) are run with --long only.

It builds the program, and needs the models of scripts/get-models.sh.
"""

import argparse, os, pathlib, re, shutil, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["README.md", "circuits/README.md", *sorted(str(it.relative_to(ROOT)) for it in ROOT.glob("docs/*.md"))]

# What has a step of its own in .ci/run, or compares with programs that are not installed here.
ELSEWHERE = ("cargo test", "cargo deny", "scripts/gallery.sh", "scripts/bench-peers/", "scripts/bench-growth/")
# What takes many minutes, by command.
LONG = {
    "secateur run circuits/analyses/smollm2-135m",
    "secateur run circuits/analyses/smollm2-135m/relations",
    "secateur run circuits/analyses/smollm2-135m/sae-15.ron",
    "secateur run circuits/analyses/gemma3-270m/relations",
}


class Command:
    def __init__(self, page, line, text, block):
        self.page, self.line, self.block = page, line, block
        self.text = re.sub(r"\s+", " ", text.replace("\\\n", " ")).strip() if block else re.sub(r"\s+", " ", text)

    def where(self):
        return f"{self.page}:{self.line}"

    def subcommand(self):
        """The word after `secateur`, or None."""
        found = re.search(r"(?:secateur|cargo run --release --) ([a-z-]+)", self.text)
        return found and found[1]

    def is_syntax(self):
        bare = re.sub(r"'[^']*'", "", self.text)
        return bool(re.search(r"\b[A-Z][A-Z_]+\b|[\[\]|]|\.\.", bare)) and not (self.block and "| secateur" in bare)

    def is_mention(self):
        """Whether a sentence only names a subcommand or an option of it."""
        words = self.text.split()
        return not self.block and (len(words) < 3 or words[2].startswith("-"))


def commands(page):
    text = (ROOT / page).read_text()
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
    found = []
    for block in fence.finditer(text):
        if block[1] != "sh":
            continue
        for line in re.finditer(r"(?:[^\n]*\\\n)*[^\n]+", block[2]):
            if not line[0].startswith("#"):
                found.append((block.start(2) + line.start(), line[0], True))
    sentences = fence.sub(lambda it: re.sub(r"[^\n]", " ", it[0]), text)
    for code in re.finditer(r"(?<!`)`((?:secateur|cargo|scripts/)[^`]*)`(?!`)", sentences):
        found.append((code.start(), code[1], False))
    return [Command(page, text[:at].count("\n") + 1, code, block) for at, code, block in sorted(found)]


def options_of(program, subcommand):
    shown = subprocess.run([program, subcommand, "--help"], capture_output=True, text=True)
    if shown.returncode != 0:
        return None
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown.stdout))


def results(folder):
    """Every file of a result, with when it was written."""
    return {it: it.stat().st_mtime_ns for it in (folder / "results").rglob("*/*/*") if it.is_file() and it.suffix != ".lock"}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=pathlib.Path, help="folder to work in, kept; otherwise a temporary one")
    options.add_argument("--long", action="store_true", help="also run what takes many minutes")
    options.add_argument("--list", action="store_true", help="print what would be run")
    options = options.parse_args()

    everything = [it for page in PAGES for it in commands(page)]
    run, syntax = [], []
    for it in everything:
        if it.text.startswith(ELSEWHERE):
            continue
        if it.is_syntax() or it.is_mention():
            syntax.append(it)
        elif it.text not in LONG or options.long:
            run.append(it)
    mistakes = [f"LONG names a command that no page shows: {it}" for it in LONG - {it.text for it in everything}]
    if options.list:
        for it in run:
            print(f"{it.where()}: {it.text}")
        return

    subprocess.run(["cargo", "build", "--quiet", "--release", "--bin", "secateur"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    program = target / "release" / "secateur"

    known = {}
    for it in syntax:
        name = it.subcommand()
        if name is None:
            continue
        if name not in known:
            known[name] = options_of(program, name)
        if known[name] is None:
            mistakes.append(f"{it.where()}: there is no subcommand `{name}`")
            continue
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", it.text.split(name, 1)[1]):
            if option not in known[name]:
                mistakes.append(f"{it.where()}: `secateur {name}` has no option {option}")
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    subcommands = set(re.findall(r"^  ([a-z][a-z-]+) ", help_text.split("Commands:")[1].split("Options:")[0], re.M)) - {"help"}
    for name in sorted(subcommands - {it.subcommand() for it in everything if not (it.is_syntax() or it.is_mention())}):
        mistakes.append(f"no page shows a command of `secateur {name}` that can be run")

    temporary = None
    if options.out is None:
        temporary = tempfile.TemporaryDirectory()
    folder = pathlib.Path(temporary.name) if temporary else options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "circuits", folder / "circuits", dirs_exist_ok=True)
    for name in ("models", "tests", "scripts"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    environment = os.environ | {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(target),
        "CARGO_INSTALL_ROOT": str(folder / "installed"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    begun = time.monotonic()
    for number, it in enumerate(run, 1):
        text = it.text.replace("cargo run --release -- ", "secateur ")
        before, start = results(folder), time.monotonic()
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            cwd=ROOT if text.startswith("cargo ") else folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        print(f"[{number}/{len(run)}] {time.monotonic() - start:6.1f} s  {it.where()}  {it.text}", flush=True)
        if done.returncode != 0:
            mistakes.append(f"{it.where()}: exit code {done.returncode}: {it.text}\n{done.stdout[-3000:]}")
        after = results(folder)
        for path in sorted(it for it in before if after.get(it) != before[it]):
            mistakes.append(f"{it.where()}: {it.text}\n  changed {path.relative_to(folder)}, which was there")
    print(f"{len(run)} commands in {time.monotonic() - begun:.0f} s")
    left = sorted(LONG - {it.text for it in run})
    if left:
        print("not run, because they take many minutes (--long runs them):", *left, sep="\n  ")
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
