#!/usr/bin/env bash
# check-selftest.sh: a gate that cannot fail is a bug. Feeds each check something it must reject, and something it must accept.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rejects() { # rejects NAME COMMAND...
    local name=$1
    shift
    if "$@" >/dev/null 2>&1; then
        echo "error: the gate let pass: $name" >&2
        exit 1
    fi
}
lines() { awk -v n="$1" -v text="$2" 'BEGIN { while (n-- > 0) print text }'; }

mkdir -p "$work/size" "$work/sources/Registry"
{ echo "func long() {"; lines 70 "    work()"; echo "}"; } >"$work/size/Long.swift"
rejects "a function of 72 lines" scripts/check-size.sh "$work/size"
lines 501 "// line" >"$work/size/Long.swift"
rejects "a file of 501 lines" scripts/check-size.sh "$work/size"
{ echo "func fine() {"; lines 38 "    work()"; echo "}"; } >"$work/size/Long.swift"
scripts/check-size.sh "$work/size"

echo "import HTTP" >"$work/sources/Registry/A.swift"
rejects "a policy module that imports HTTP" scripts/check-imports.sh "$work/sources"
echo "internal import CCurl" >"$work/sources/Registry/A.swift"
rejects "a second importer of a C library" scripts/check-imports.sh "$work/sources"
echo "public import Model" >"$work/sources/Registry/A.swift"
scripts/check-imports.sh "$work/sources"
mkdir -p "$work/sources/Mystery"
rejects "a module nobody decided about" scripts/check-imports.sh "$work/sources"

printf 'func a( ){ }\n' >"$work/Bad.swift"
rejects "an unformatted file" swift format lint --strict --configuration .swift-format "$work/Bad.swift"
