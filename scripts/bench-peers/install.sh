#!/bin/sh
# Installs the peers into a virtual environment (about 6 GB).
#
#   scripts/bench-peers/install.sh [VENV]     default target/bench-peers/venv
#
# PYTHON names the interpreter, default python3.11 (auto-circuit wants 3.10 or newer; 3.11 is what was tried).
# A peer that cannot be installed is reported and left out: bench.py then records it as failing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-$here/../../target/bench-peers/venv}
python=${PYTHON:-python3.11}

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --disable-pip-version-check -r "$here/requirements.txt" >&2 || {
    echo "install: not all packages together; trying one by one" >&2
    while read -r package; do
        "$venv/bin/python" -m pip install --disable-pip-version-check "$package" >&2 ||
            echo "install: no $package" >&2
    done <"$here/requirements.txt"
}

# It asks for another transformer-lens and many packages that its copy of EAP-IG does without.
"$venv/bin/python" -m pip install --disable-pip-version-check --no-deps circuitkit==0.2.0 >&2 ||
    echo "install: no circuitkit" >&2
echo "install: wrote $venv" >&2
