#!/usr/bin/env bash
# simulate.sh [--seed N] [--steps M] ...: builds the simulation optimised and runs it; a failing run prints its seed. See docs/simulation.md.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift build -c release --product berth-sim --scratch-path .build/sim >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    exit 1
}
.build/sim/release/berth-sim "$@"
