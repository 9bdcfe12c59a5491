#!/usr/bin/env bash
# check.sh: the one gate. Lint, imports, size budget, documentation without warnings; and it leaves the tree as it found it.
set -euo pipefail
cd "$(dirname "$0")/.."
before=$(git status --porcelain)
if [ "${CI:-}" = true ] && [ -n "$before" ]; then
    echo "$before" >&2
    echo "error: the tree is not clean before the check" >&2
    exit 1
fi
step() { echo "check: $*"; }

step "the gate itself rejects what it must"
scripts/check-selftest.sh
step "format"
swift format lint --strict -r -p Sources Tests Package.swift
step "size budget"
scripts/check-size.sh
step "imports"
scripts/check-imports.sh
step "debug build, declared imports only"
scripts/build.sh debug --build-tests
step "documentation"
scripts/docs.sh
[ "$(git status --porcelain)" = "$before" ] || {
    git status --short >&2
    echo "error: the check changed or left a file" >&2
    exit 1
}
step "passed"
