#!/usr/bin/env bash
# Links of the pages, formatting, lints, documentation and tests: what has to hold before a commit is handed on, in the order
# of how long it takes.
#
#   scripts/check.sh
#
# When all of it passed on a clean working tree, target/checked holds the tree that was checked (git rev-parse HEAD^{tree}).
# .ci/run checks more: the benchmarks, the real models, LaTeX and the pages in a browser.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -f target/checked
scripts/check-links.py
cargo fmt --check
cargo clippy --release --all-targets -- -D warnings
cargo clippy --release --test real_model -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps
cargo test --release
if [ -n "$(git status --porcelain)" ]; then
    echo "check: all passed, but there are uncommitted changes, so target/checked is not written" >&2
    exit 1
fi
mkdir -p target
git rev-parse "HEAD^{tree}" >target/checked
echo "check: all passed for tree $(cat target/checked)" >&2
