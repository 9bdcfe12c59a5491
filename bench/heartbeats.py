"""Heartbeats per second and processor time per beat, on each database, against an nginx that gives the same answer unread."""
import os
import statistics
import wrk
from rig import free_port

WORKSPACES = 100
ROUNDS, SECONDS, CONNECTIONS = 3, 5, 32
STATIC = """server { LISTEN location = /registry/heartbeat { default_type application/json; return 200 '{"status":"ok"}'; } }"""


def beat_file(rig, daemon, count):
    """Makes `count` external workspaces. Returns the path of a list of their ids and tokens."""
    path = os.path.join(rig.directory, f"beats-{daemon.pid}")
    with open(path, "w") as file:
        file.writelines(f"{id} {token}\n" for id, token in daemon.create_external(count))
    return path


def measure(rig):
    database_url, server = rig.start_postgres()
    targets = {}
    for name, settings in [("SQLite", {}), ("PostgreSQL", {"DATABASE_URL": database_url})]:
        daemon = rig.start_daemon(AGENT_LISTEN=f"127.0.0.1:{free_port()}", **settings)
        targets[name] = (daemon.port, [daemon.pid], beat_file(rig, daemon, WORKSPACES))
    port, pids = rig.start_nginx(STATIC)
    targets["nginx"] = (port, pids, targets["SQLite"][2])

    rounds = {name: [] for name in targets}
    server_cpu = []
    for _ in range(ROUNDS):
        for name, (port, pids, beats) in targets.items():
            watched = wrk.cpu_seconds(server)
            result = wrk.run("beats.lua", f"http://127.0.0.1:{port}", SECONDS, CONNECTIONS, pids, BEATS=beats)
            rounds[name].append(result)
            if name == "PostgreSQL":
                server_cpu.append((wrk.cpu_seconds(server) - watched) / result["requests"] * 1e6)

    def median(name, key):
        return statistics.median(round[key] for round in rounds[name])

    static_rate, static_cpu = median("nginx", "rate"), median("nginx", "cpu_us")
    rows = []
    for name in ["SQLite", "PostgreSQL"]:
        rate, cpu = median(name, "rate"), median(name, "cpu_us")
        rows.append((f"heartbeats per second, {name}", f"{rate:,.0f}", f"{static_rate:,.0f} nginx, static", rate / static_rate, ""))
        rows.append((f"CPU per heartbeat, {name}", f"{cpu:.0f} µs", f"{static_cpu:.1f} µs nginx, static", cpu / static_cpu, ""))
    both = median("PostgreSQL", "cpu_us") + statistics.median(server_cpu)
    rows.append(("the same, with the server's", f"{both:.0f} µs", f"{static_cpu:.1f} µs nginx, static", both / static_cpu, ""))
    return rows
