#!/usr/bin/env bash
# test.sh all|unit|soak|tsan: installs what is missing, starts what the tests need, runs them. The last line is the runner's summary.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-all}
engine_tests='IntegrationTests|EngineContract'
database_tests='StoreContractTests'

case $mode in
    unit)
        scripts/setup.sh build
        scripts/build.sh debug --build-tests
        exec swift test --skip-build --disable-xctest --skip "$engine_tests" --skip "$database_tests"
        ;;
    tsan)
        scripts/setup.sh build
        export TSAN_OPTIONS="suppressions=$PWD/scripts/tsan.supp halt_on_error=0"
        exec swift test --sanitize=thread --scratch-path .build/tsan --disable-xctest --skip "$engine_tests" --skip "$database_tests"
        ;;
    all | soak) ;;
    *) sed -n '2s/^# //p' "$0" >&2 && exit 2 ;;
esac

scripts/setup.sh build engine image test
scripts/check.sh
BERTH_TEST_DOCKER_HOST=$(scripts/engine.sh ensure | tail -n 1)
export BERTH_TEST_DOCKER_HOST
DOCKER_HOST=$BERTH_TEST_DOCKER_HOST scripts/echo-image.sh
scripts/python-venv.sh
[ "$mode" != soak ] || export BERTH_TEST_SOAK=1
# Simulated steps, in an optimised build: one seed that every run shares, and one that no run had before. It is printed, and replays.
scripts/simulate.sh --seed 20261127 --steps 500000
scripts/simulate.sh --steps 1000000
export BERTH_TEST_SIM=$PWD/.build/sim/release/berth-sim
# What takes a whole processor, and what drives real containers, runs by itself after the others: two cores make a poor witness otherwise.
swift test --skip-build --disable-xctest --skip IntegrationTests --skip SimulationTests --skip StoreContractTests
swift test --skip-build --disable-xctest --filter StoreContractTests --filter SimulationTests
exec swift test --skip-build --disable-xctest --filter IntegrationTests
