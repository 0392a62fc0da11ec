#!/usr/bin/env bash
# Compiles pictures and numbers of results with LaTeX, as docs/figures.md says: check.sh RESULTS [PDF].
# RESULTS is what `secateur run circuits/tasks/builtin` wrote; SECATEUR names the program.
set -euo pipefail

results=$(realpath "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

secateur=${SECATEUR:-target/release/secateur}
"$secateur" figure "$results"/ioi --format tikz --out "$work/figures" >"$work/files.txt"
"$secateur" figure "$results"/ioi --format pdf --out "$work/pictures" >"$work/files.txt"
"$secateur" render circuits/gallery/results/ioi-200/circuit.ron --format tikz --out "$work/large.tex"
cp tests/latex/article.tex "$work"
cd "$work"
pdflatex -interaction=nonstopmode -halt-on-error article.tex >log.txt || { tail -40 log.txt; exit 1; }
# All of it is in the file: no letter that a font lacks, no number without a command, nothing wider than the page.
if grep -E "Missing character|undefined|Overfull .hbox" article.log; then
    exit 1
fi
grep -E "Output written on article.pdf \([4-9] pages" article.log || { tail article.log; exit 1; }
cd - >/dev/null
[ -z "${2:-}" ] || cp "$work/article.pdf" "$2"
