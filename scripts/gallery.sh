#!/usr/bin/env bash
# Draws the pictures of docs/gallery.md from the results in circuits/gallery/results.
#   scripts/gallery.sh            writes docs/img/gallery
#   scripts/gallery.sh --check    fails where a picture is not what is drawn now
#   scripts/gallery.sh --measure [SPEC]...  runs the specs in circuits/gallery/specs first, or those named; all need
#                                 SmolLM2-135M and about six minutes
# SECATEUR names the program; by default cargo builds it.
set -euo pipefail
cd "$(dirname "$0")/.."

results=circuits/gallery/results
pictures=docs/img/gallery
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

secateur() {
    if [ -n "${SECATEUR:-}" ]; then
        "$SECATEUR" "$@"
    else
        cargo run --quiet --release -- "$@"
    fi
}

# measure SPEC...: runs specs and keeps what pictures need of their results.
measure() {
    secateur run "$@" --out "$work/results"
    local from file to
    for from in "$work"/results/*/*/; do
        to=$results/$(basename "$(dirname "$from")")
        rm -rf "$to"
        mkdir -p "$to"
        # Of the real model, all scores would be megabytes.
        for file in circuit.ron report.json roles.json doses.svg sweep.svg lens.svg training.svg edges.csv; do
            if [ -f "$from/$file" ] && [ "$(stat -c %s "$from/$file")" -lt 300000 ]; then
                cp "$from/$file" "$to/$file"
            fi
        done
        # Reports of analyses show more than is drawn here.
        [ -f "$to/circuit.ron" ] || rm -f "$to/report.json"
    done
}

# circuit NAME RESULT OPTION...: a circuit as docs/img/gallery/NAME.svg.
circuit() {
    local name=$1 result=$2
    shift 2
    secateur render "$results/$result/circuit.ron" --format svg --out "$out/$name.svg" "$@"
}

# plot NAME FILE OPTION...: a plot that a job wrote, in a theme.
plot() {
    local name=$1 file=$2
    shift 2
    secateur render "$results/$file" --format svg --out "$out/$name.svg" "$@"
}

# figures THEME RESULT...: the plots of several results, into $work/figures.
figures() {
    local theme=$1
    shift
    secateur figure "${@/#/$results/}" --layout paper --format svg --theme "$theme" \
        --reference "$results/exact/circuit.ron" --out "$work/figures" >"$work/figures.txt"
}

# draw: all pictures, into $out.
draw() {
    local theme direction
    mkdir -p "$out"
    for theme in light dark print; do
        for direction in up right; do
            circuit "ioi-20-$theme-$direction" ioi-20 --theme "$theme" --direction "$direction"
        done
    done
    circuit ioi-200 ioi-200
    circuit ioi-200-layers ioi-200 --detail layers --theme print
    circuit ioi-2000 ioi-2000
    circuit ioi-2000-dark ioi-2000 --theme dark --direction right
    circuit ioi-spans ioi-spans
    circuit ioi-spans-right ioi-spans --direction right --theme print
    circuit ioi-roles ioi-20 --roles "$results/attention-ioi/roles.json"

    figures light eap eap-ig exact acdc
    mv "$work/figures/scores.svg" "$work/figures/roc.svg" "$out"
    secateur figure "$results"/smollm2-* --layout paper --format svg --out "$work/figures" >"$work/figures.txt"
    mv "$work/figures/curve.svg" "$out"
    secateur figure "$results"/smollm2-* --layout paper --format svg --theme dark --out "$work/figures" >"$work/figures.txt"
    mv "$work/figures/curve.svg" "$out/curve-dark.svg"
    secateur figure "$results/ioi-2000" --layout paper --format svg --theme print --out "$work/figures" \
        >"$work/figures.txt" 2>&1
    mv "$work/figures/heads-ioi-2000.svg" "$out/heads.svg"

    plot doses neurons/doses.svg
    plot sweep vector/sweep.svg --theme print
    plot lens lens/lens.svg
    plot lens-dark lens/lens.svg --theme dark
    plot training sae/training.svg
}

case "${1:-}" in
--check)
    out=$work/pictures
    draw
    diff -rq "$out" "$pictures"
    # The page shows every picture there is, and no other.
    diff <(cd "$pictures" && ls) <(grep -o 'img/gallery/[a-z0-9-]*\.svg' docs/gallery.md | sed 's|.*/||' | sort)
    ;;
--measure)
    shift
    measure "${@:-circuits/gallery/specs}"
    rm -rf "$pictures"
    out=$pictures
    draw
    ;;
"")
    out=$pictures
    draw
    ;;
*)
    sed -n '2,7s/^# //p' "$0"
    exit 2
    ;;
esac
