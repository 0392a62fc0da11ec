#!/usr/bin/env bash
# Draws the pictures of docs/gallery.md from the circuits below circuits/found.
set -euo pipefail
cd "$(dirname "$0")/.."

render() {
    cargo run --quiet --release -- render "$@"
}

circuit=circuits/found/ioi.smollm2-135m.ron
render "$circuit" --format svg --out docs/img/ioi-smollm2-135m.svg
render "$circuit" --format svg --theme dark --direction right --out docs/img/ioi-smollm2-135m-right-dark.svg
render "$circuit" --format svg --theme print --detail layers --out docs/img/ioi-smollm2-135m-layers-print.svg
