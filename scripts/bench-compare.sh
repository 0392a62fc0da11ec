#!/usr/bin/env bash
# Runs the criterion benches of two commits in turn, A B A B, and prints how their times compare, as a Markdown table.
#
# Usage: scripts/bench-compare.sh BASE HEAD [--rounds N] [--filter TEXT] [--seconds S] [--samples N]
#
#   --rounds N     how often each commit's benches run [default: 3]
#   --filter TEXT  only benches whose name matches this regular expression
#   --seconds S    time to measure a bench for, in each round [default: 1]
#   --samples N    samples of a bench, in each round; at least 10 [default: 10]
#
# Commits are built in worktrees of a temporary folder, from what is committed only. Dependencies and the benches'
# programs stay in target/bench-compare/, so that a commit is built once. A ratio below 1 means that HEAD is faster.
set -euo pipefail

fail() {
    echo "bench-compare: $1" >&2
    exit "${2:-2}"
}

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

commits=() rounds=3 filter='' seconds=1 samples=10
while [ $# -gt 0 ]; do
    case $1 in
        --rounds | --filter | --seconds | --samples)
            [ $# -ge 2 ] || fail "$1 needs a value"
            printf -v "${1#--}" '%s' "$2"
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*) fail "unknown option $1; see --help" ;;
        *) commits+=("$1") ;;
    esac
    shift
done
[ ${#commits[@]} -eq 2 ] || fail "expected two commits, BASE and HEAD; see --help"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "--rounds takes a number from 1 on, not $rounds"
[[ $samples =~ ^[1-9][0-9]+$ ]] || fail "--samples takes a number from 10 on, not $samples"
[[ $seconds =~ ^[0-9]*\.?[0-9]+$ ]] || fail "--seconds takes a number, not $seconds"
command -v python3 >/dev/null || fail "needs python3"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
for index in 0 1; do
    name=${commits[index]}
    commits[index]=$(git rev-parse --verify --quiet "$name^{commit}") || fail "no commit is called $name"
done

store=$root/target/bench-compare
mkdir -p "$store/programs"
work=$(mktemp -d)
worktree=
clean_up() {
    [ -z "$worktree" ] || git -C "$root" worktree remove --force "$worktree"
    rm -rf "$work"
}
trap clean_up EXIT

# The benches' programs of a commit, built unless they are there already.
build() {
    local commit=$1 short programs
    short=$(git rev-parse --short "$commit")
    programs=$store/programs/$commit
    if [ -e "$programs/complete" ]; then
        echo "bench-compare: $short is built already" >&2
        return
    fi
    echo "bench-compare: building $short" >&2
    git worktree add --quiet --detach "$work/source" "$commit"
    worktree=$work/source
    cd "$worktree"
    export CARGO_TARGET_DIR=$store/build
    cargo bench --no-run --message-format json-render-diagnostics >"$work/messages" || fail "$short does not build" 1
    rm -rf "$programs"
    mkdir -p "$programs"
    python3 - "$work/messages" "$programs" <<'PYTHON'
import json, shutil, sys
messages, folder = sys.argv[1:]
for line in open(messages):
    message = json.loads(line)
    if message.get("executable") and "bench" in message["target"]["kind"]:
        shutil.copy(message["executable"], f"{folder}/{message['target']['name']}")
PYTHON
    # Dependencies are worth keeping; the package itself is not, as the next worktree has another path.
    cargo clean --quiet --profile bench --package secateur
    touch "$programs/complete"
    cd "$root"
    git worktree remove --force "$worktree"
    worktree=
}

# One round of a commit's benches; results go to a folder.
run() {
    local commit=$1 results=$2 program
    for program in "$store/programs/$commit"/*; do
        [ -x "$program" ] || continue
        CRITERION_HOME=$results "$program" --bench --noplot --warm-up-time 0.3 --measurement-time "$seconds" \
            --sample-size "$samples" ${filter:+"$filter"} >"$work/log" 2>&1 || {
            cat "$work/log" >&2
            fail "the benches of $(git rev-parse --short "$commit") fail" 1
        }
    done
}

for commit in "${commits[@]}"; do
    build "$commit"
done
for ((round = 1; round <= rounds; round++)); do
    for side in 0 1; do
        echo "bench-compare: round $round of $rounds, $(git rev-parse --short "${commits[side]}")" >&2
        run "${commits[side]}" "$work/results/$round/$side"
    done
done

python3 - "$work/results" "$rounds" "$(git rev-parse --short "${commits[0]}")" \
    "$(git rev-parse --short "${commits[1]}")" <<'PYTHON'
import json, math, pathlib, statistics, sys

folder, rounds, base, head = sys.argv[1:]
rounds = int(rounds)


def medians(round, side):
    """Nanoseconds of every bench by its name."""
    found = {}
    for file in pathlib.Path(folder, str(round), str(side)).rglob("new/benchmark.json"):
        name = json.loads(file.read_text())["full_id"]
        found[name] = json.loads(file.with_name("estimates.json").read_text())["median"]["point_estimate"]
    return found


def time(nanoseconds):
    for unit, size in [("s", 1e9), ("ms", 1e6), ("us", 1e3)]:
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


measured = [(medians(round, 0), medians(round, 1)) for round in range(1, rounds + 1)]
names = sorted(set().union(*[side for sides in measured for side in sides]))
if not names:
    sys.exit("bench-compare: no bench matches")
print(f"| bench | {base} | {head} | {head} / {base} | lowest to highest |")
print("|---|---|---|---|---|")
logarithms = []
for name in names:
    sides = [[sides[side][name] for sides in measured if name in sides[side]] for side in (0, 1)]
    cells = [time(statistics.median(values)) if values else "-" for values in sides]
    if all(sides):
        ratios = [after / before for before, after in zip(*sides)]
        logarithms.append(math.log(statistics.median(ratios)))
        cells += [f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}"]
    else:
        cells += [f"only in {base if sides[0] else head}", "-"]
    print(f"| {name} | {' | '.join(cells)} |")
if logarithms:
    mean = math.exp(statistics.fmean(logarithms))
    print(f"\nGeometric mean of {len(logarithms)} ratios: {mean:.3f}. Medians of {rounds} rounds.")
PYTHON
