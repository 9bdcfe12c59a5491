#!/usr/bin/env bash
# a2a-sdk-check.sh [URL [REPLY]]: holds an agent to the protocol's own client (a2a-sdk, scripts/requirements-test.txt) in A2A 0.3 and 1.0,
# send and stream. REPLY is its answer to "hello from the sdk". Without a URL, berth-agent of the debug build is checked as echo and with a command.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$("$root/scripts/python-venv.sh")/python
check() { "$python" "$root/Tests/A2A/sdk_check.py" "$1" "$2"; }

if [ $# -gt 0 ]; then
    check "$1" "${2:-echo: hello from the sdk}"
    exit
fi

work=$(mktemp -d)
agent=
end() {
    [ -z "$agent" ] || kill "$agent" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

checked() { # checked REPLY: starts an agent on a free port with the config.yaml of standard input, checks it, stops it
    local reply=$1 port
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    { cat && printf 'a2a: {port: %s}\n' "$port"; } >"$work/config.yaml"
    env -u PLATFORM_URL WORKSPACE_CONFIG_PATH="$work" "$root/.build/debug/berth-agent" 2>"$work/log" &
    agent=$!
    until grep -q ' listening ' "$work/log"; do
        kill -0 "$agent" 2>/dev/null || { cat "$work/log" >&2 && exit 1; }
        sleep 0.05
    done
    check "http://127.0.0.1:$port" "$reply"
    kill "$agent" && wait "$agent"
    agent=
}

checked 'echo: hello from the sdk' <<<'name: Echo'
checked 'HELLO FROM THE SDK' <<'CONFIG'
name: Shout
handler: {command: ["/bin/sh", "-c", "tr a-z A-Z; sleep 0.1"]}
CONFIG
