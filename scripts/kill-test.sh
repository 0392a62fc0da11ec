#!/usr/bin/env bash
# Ends a batch at random moments, in every way there is, and holds what is left against an undisturbed run, byte by byte.
#   scripts/kill-test.sh [--kills N] [--terms N]    so many kills (SIGKILL), and signals (SIGTERM and SIGINT in turn)
# Then two processes write one folder at once, and a disk is full: a small tmpfs as root, a limit on the size of files
# elsewhere. SECATEUR names the program; by default cargo builds it.
set -euo pipefail
cd "$(dirname "$0")/.."

kills=10 terms=4
while [ $# -gt 0 ]; do
    case $1 in
        --kills) kills=$2 ;;
        --terms) terms=$2 ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
if [ -z "${SECATEUR:-}" ]; then
    cargo build --quiet --release
    SECATEUR=target/release/secateur
fi
program=$(realpath "$SECATEUR")
work=$(mktemp -d)
mounted=
trap '[ -z "$mounted" ] || umount "$mounted"; rm -rf "$work"' EXIT
cd "$work"

mkdir specs
for job in 1 2 3; do
    cat >"specs/job$job.ron" <<RON
(format: 1, name: "job$job", models: ["builtin:toy-llama"], task: Ioi(pairs: 32, seed: $job), metric: LogitDiff,
 ablation: Patch, method: EapIg(steps: 3), select: TopN(edges: 40), evaluate: (random_baselines: 4, bootstrap: 40))
RON
done

# batch OUT OPTION...: runs the specs.
batch() {
    local out=$1
    shift
    "$program" run specs --threads 2 --out "$out" "$@" >"$out.txt" 2>&1
}

# same OUT: fails where a folder is not as the undisturbed run left its own, times apart.
same() {
    diff -r --exclude run.json whole "$1" || { echo "$1 differs" >&2; exit 1; }
    [ "$(find "$1" -name run.json | wc -l)" -eq 3 ] || { echo "$1 lacks a record" >&2; exit 1; }
}

start=$(date +%s%N)
batch whole
length=$((($(date +%s%N) - start) / 1000000))
echo "an undisturbed batch takes $length ms"

# ended SIGNAL CODE: starts a batch with --force and ends it at a random moment; what is there afterwards is finished or
# is finished by the next run.
ended() {
    local signal=$1 code=$2 wait status=0
    "$program" run specs --threads 2 --out cut --force >cut.txt 2>&1 &
    local child=$!
    wait=$((RANDOM * length / 32768))
    sleep "$(printf '%d.%03d' $((wait / 1000)) $((wait % 1000)))"
    kill "-$signal" "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || status=$?
    case $status in
        0 | "$code") ;;
        *) echo "SIG$signal after $wait ms gave $status" >&2; cat cut.txt >&2; exit 1 ;;
    esac
    batch cut || { echo "the run after SIG$signal after $wait ms failed" >&2; cat cut.txt >&2; exit 1; }
    same cut
}

for _ in $(seq "$kills"); do ended KILL 137; done
echo "$kills kills: every next run ends with the bytes of the undisturbed one"
for count in $(seq "$terms"); do
    if [ $((count % 2)) -eq 1 ]; then ended TERM 143; else ended INT 130; fi
done
echo "$terms signals: likewise, with exit codes 143 and 130"

batch both --force & first=$!
"$program" run specs --threads 2 --out both --force >second.txt 2>&1 & second=$!
wait "$first" || { cat both.txt >&2; exit 1; }
wait "$second" || { cat second.txt >&2; exit 1; }
same both
echo "two writers: both end well, with the same bytes"

mkdir full
status=0
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=96k none full 2>/dev/null; then
    mounted=$work/full
    way="a tmpfs of 96 kB"
    batch full || status=$?
else
    way="files of at most 3 kB"
    (ulimit -f 3; "$program" run specs --out full >full.txt 2>&1) || status=$?
fi
[ "$status" -eq 3 ] || { echo "a full disk gave $status" >&2; cat full.txt >&2; exit 1; }
[ "$(find full -name '*.secateur-part' | wc -l)" -eq 0 ] || { echo "a full disk left half files" >&2; exit 1; }
find full -name run.json -printf '%h\n' | while read -r folder; do
    diff -r --exclude run.json "$folder" "whole/${folder#full/}" || { echo "$folder differs" >&2; exit 1; }
done
echo "a full disk ($way): exit 3, no half file, finished jobs whole"
