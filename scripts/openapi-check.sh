#!/usr/bin/env bash
# openapi-check.sh URL TOKEN [OPTION...]: holds a running daemon to docs/openapi.yaml with schemathesis. It makes and deletes workspaces:
# give it a daemon of its own, best one without an engine. Streams that do not end by themselves are left to the integration tests.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
url=${1:?the URL of the daemon}
token=${2:?the admin token}
shift 2
bin=$("$root/scripts/python-venv.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# One external workspace, with its token, so that the agents' operations get past the doors.
"$bin/python" - "$url" "$token" >"$work/schemathesis.toml" <<'PYTHON'
import json, sys, urllib.request

url, token = sys.argv[1:]
body = json.dumps({"name": "openapi check", "external": True}).encode()
request = urllib.request.Request(url + "/workspaces", body, {"Authorization": "Bearer " + token})
connection = json.load(urllib.request.urlopen(request, timeout=20))["connection"]
print(f'''
headers = {{ Authorization = "Bearer {token}" }}

[generation]
database = "none"

# TRACE is 501 before any route is looked at, as RFC 9110 has it for methods a server does not know.
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]

# An agent that is not there, or an engine that is away, is a documented answer; 500 is not.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 502, 503]

# Without an engine a delete cannot know that nothing is left, nor a stop that nothing runs, and they say so.
[[operations]]
include-operation-id = ["deleteWorkspace", "pauseWorkspace", "hibernateWorkspace"]
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 500]

[[operations]]
include-operation-id = ["registerAgent", "beat", "updateAgentCard"]
headers = {{ Authorization = "Bearer {connection["auth_token"]}" }}

[[operations]]
include-operation-id = ["getWorkspace", "getWorkspaceState", "getWorkspaceLogs", "getWorkspaceConsole", "updateWorkspace", "inspectWorkspace",
    "listWorkspaceOperations", "restartWorkspace", "cancelStart", "sendMessage"]
parameters = {{ "path.id" = "{connection["workspace_id"]}" }}
''')
PYTHON

"$bin/schemathesis" --config-file "$work/schemathesis.toml" run "$root/docs/openapi.yaml" --url "$url" \
    --exclude-operation-id streamWorkspaceEvents --max-examples "${OPENAPI_EXAMPLES:-25}" --seed 1 \
    --checks "${OPENAPI_CHECKS:-not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth}" \
    --request-timeout 20 --no-color --warnings off "$@"
