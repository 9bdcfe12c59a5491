"""Resident memory of berthd: idle on an empty database, and with 500 workspaces that beat once a second, each on its own connection."""
import process
import statistics
import time
import wrk
from heartbeats import beat_file
from rig import free_port

WORKSPACES = 500
SECONDS = 12
MEGABYTE = 1e6


def measure(rig):
    rows = []
    for name in ["SQLite", "PostgreSQL"]:
        settings = {} if name == "SQLite" else {"DATABASE_URL": rig.start_postgres()[0]}
        daemon = rig.start_daemon(AGENT_LISTEN=f"127.0.0.1:{free_port()}", **settings)
        time.sleep(3)
        idle = process.resident_bytes(daemon.pid)
        beats = beat_file(rig, daemon, WORKSPACES)
        busy, rate = while_beating(daemon, beats)
        rows.append((
            f"resident memory with {WORKSPACES} workspaces beating ({rate:.0f} beats/s), {name}", f"{busy / MEGABYTE:.1f} MB",
            f"{idle / MEGABYTE:.1f} MB idle", busy / idle, ""))
    return rows


def while_beating(daemon, beats):
    """The median of the second half's samples, and the rate the beats really had."""
    samples = []
    load = wrk.start("beats.lua", f"http://127.0.0.1:{daemon.port}", SECONDS, WORKSPACES, BEATS=beats, BEAT_PAUSE_MS="1000")
    while load.poll() is None:
        samples.append(process.resident_bytes(daemon.pid))
        time.sleep(0.25)
    return statistics.median(samples[len(samples) // 2:]), wrk.finish(load)["rate"]
