#!/usr/bin/env bash
# openapi-check.sh URL TOKEN [OPTION...]: holds a running daemon to docs/openapi.yaml with schemathesis. It makes and deletes workspaces:
# give it a daemon of its own. Streams that do not end by themselves are left to the integration tests.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
url=${1:?the daemon\'s URL}
token=${2:?the admin token}
shift 2
bin=$("$root/scripts/python-venv.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$bin/schemathesis" run "$root/docs/openapi.yaml" --url "$url" --header "Authorization: Bearer $token" \
    --exclude-operation-id streamWorkspaceEvents --phases examples,coverage,fuzzing --max-examples "${OPENAPI_EXAMPLES:-25}" --seed 1 \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --request-timeout 20 --no-color --generation-database none "$@"
