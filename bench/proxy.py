"""A 1 KB message through berthd's proxy and through nginx `proxy_pass`, to the same echo agent in its container."""
import http.client
import json
import os
import statistics
import wrk

ROUNDS, SECONDS, BYTES = 3, 4, 1024
PASS = """upstream agent { server 127.0.0.1:AGENT; keepalive 8; }
server { LISTEN location / { proxy_pass http://agent/; proxy_http_version 1.1; proxy_set_header Connection ""; } }"""


def message():
    """A `message/send` of exactly `BYTES` bytes."""
    def body(text):
        part = {"role": "user", "kind": "message", "messageId": "bench-1", "parts": [{"kind": "text", "text": text}]}
        return json.dumps({"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": part}})

    return body("x" * (BYTES - len(body(""))))


def measure(rig):
    daemon = rig.start_daemon()
    workspace = daemon.create_echo("bench proxy")
    agent = daemon.wait_online(workspace)["url"].rpartition(":")[2].strip("/")
    port, pids = rig.start_nginx(PASS.replace("AGENT", agent))
    path = os.path.join(rig.directory, "message")
    with open(path, "w") as file:
        file.write(message())
    targets = {
        "direct": (f"http://127.0.0.1:{agent}/", []),
        "nginx": (f"http://127.0.0.1:{port}/", pids),
        "berthd": (f"http://127.0.0.1:{daemon.port}/workspaces/{workspace}/a2a", [daemon.pid]),
    }
    for url, _ in targets.values():
        check_echo(url, daemon.token)

    rounds = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, (url, pids) in targets.items():
            rounds[name].append(wrk.run("message.lua", url, SECONDS, 1, pids, MESSAGE=path, BEARER=daemon.token))

    def median(name, key):
        return statistics.median(round[key] for round in rounds[name])

    direct, nginx, berthd = (median(name, "median_us") for name in ["direct", "nginx", "berthd"])
    cpu, nginx_cpu = median("berthd", "cpu_us"), median("nginx", "cpu_us")
    added, nginx_added = berthd - direct, nginx - direct
    through_nginx = f"{nginx:.0f} µs through nginx, {direct:.0f} µs direct"
    return [
        ("1 KB message and its reply, 1 connection", f"{berthd:.0f} µs", through_nginx, berthd / nginx, ""),
        ("latency the proxy adds to it", f"{added:.0f} µs", f"{nginx_added:.0f} µs nginx", ratio_of(added, nginx_added), ""),
        ("CPU per proxied message", f"{cpu:.0f} µs", f"{nginx_cpu:.0f} µs nginx", cpu / nginx_cpu, ""),
    ]


def ratio_of(added, nginx_added):
    """None when nginx seems to add nothing: then the difference is smaller than the noise, and a ratio would be an invention."""
    return added / nginx_added if nginx_added > 0 else None


def check_echo(url, token):
    """A fast wrong answer would look good: each way must bring the text back."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    connection.request("POST", "/" + path, message(), headers)
    answer = connection.getresponse().read().decode()
    if "x" * 500 not in answer:
        raise RuntimeError(f"{url} did not echo: {answer[:500]}")
