#!/usr/bin/env bash
# build.sh release|debug [ARGUMENTS]: builds with every import declared in Package.swift; shows progress on a terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
configuration=${1:-debug}
shift || true
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -t 1 ]; then show=/dev/tty; else show=/dev/null; fi
if ! swift build -c "$configuration" --explicit-target-dependency-import-check error "$@" 2>&1 | tee "$log" >"$show"; then
    grep -E "error:|warning:" "$log" | sort -u | head -n 40 >&2
    echo "error: the $configuration build failed" >&2
    exit 1
fi
tail -n 1 "$log"
