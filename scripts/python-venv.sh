#!/usr/bin/env bash
# python-venv.sh: makes .venv with scripts/requirements-test.txt, once for each content of that file. Prints the path of its bin directory.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=scripts/requirements-test.txt
stamp=.venv/.berth-requirements
mkdir -p .venv
exec 9>.venv/.lock
flock 9
if ! cmp -s "$requirements" "$stamp"; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || {
        echo "error: python3 has no venv module" >&2
        echo "next: run scripts/setup.sh test" >&2
        exit 1
    }
    python3 -m venv .venv >&2
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    cp "$requirements" "$stamp"
fi
echo "$PWD/.venv/bin"
