#!/usr/bin/env bash
# run.sh [NAME...]: measures a release build side by side with the plainest thing that does the same work, prints the ratios and writes
# docs/benchmarks.md. `make bench` installs what it needs first. BERTHD=PATH measures another binary without building;
# BENCH_PAGE=PATH writes the page elsewhere. With names of measurements (bench/measure.py) only these are taken, and no page is written.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${BERTHD:-}" ]; then
    scripts/build.sh release --product berthd
    BERTHD=$PWD/.build/release/berthd
fi
DOCKER_HOST=$(scripts/engine.sh ensure | tail -n 1)
if [ -z "${BENCH_RECONCILE:-}" ]; then
    scripts/build.sh release --product berth-bench-reconcile
    BENCH_RECONCILE=$PWD/.build/release/berth-bench-reconcile
fi
export BERTHD BENCH_RECONCILE DOCKER_HOST PATH=$PATH:/usr/sbin
scripts/echo-image.sh
exec python3 bench/measure.py "$@"
