"""How soon a dead agent is known and back: from the engine's own time of its container's end to the moment the row says offline and a watcher
has read it, and to the container's next start. Half of the containers are killed through the engine, which leaves them down; half by
their process, which the engine starts again itself. Compared with a bare start of the same container in the same run."""
import http.client
import json
import os
import queue
import signal
import statistics
import threading
import time
import urllib.parse
from engine import INSTANCE_LABEL, UnixConnection

TRIALS = int(os.environ.get("BENCH_DEATHS", "100"))


def measure(rig):
    # A window of one second: what is measured is a death, not the pause that a row of them earns.
    daemon = rig.start_daemon(RESTART_WINDOW_SECONDS="1", RESTART_BUDGET="1000")
    workspace = daemon.create_echo("mortal")
    daemon.wait_online(workspace)
    deaths, starts, told = queue.Queue(), queue.Queue(), queue.Queue()
    watch_engine(rig, daemon, deaths, starts)
    watch_workspace(daemon, workspace, told)
    known, back, again = [], [], []
    for trial in range(TRIALS):
        container = rig.engine.get("/containers/json", label=[f"{INSTANCE_LABEL}={daemon.instance}"])[0]["Id"]
        for fifo in (deaths, starts, told):
            drain(fifo)
        if trial % 2:
            os.kill(rig.engine.get(f"/containers/{container}/json")["State"]["Pid"], signal.SIGKILL)
        else:
            rig.engine.call("POST", f"/containers/{container}/kill")
        died = deaths.get(timeout=30)
        known.append((await_kind(told, "WORKSPACE_OFFLINE") - died) * 1000)
        back.append((starts.get(timeout=60) - died) * 1000)
        again.append((await_kind(told, "WORKSPACE_ONLINE") - died) * 1000)
        time.sleep(1.2)
    bare = bare_starts(rig, daemon)
    daemon.stop()
    return rows(known, back, again, bare)


def rows(known, back, again, bare):
    quick = sum(time <= 500 for time in known)
    soon = sum(time <= bare + 1000 for time in back)
    return [
        (f"a death known and read, median of {len(known)}; p95, p99, most", f"{spread(known)} ms", f"{quick} within 500 ms", quick / len(known), "0.95 and more"),
        ("running again after it, median; p95, p99, most", f"{spread(back)} ms", f"{bare:.0f} ms a bare start; {soon} within that and 1 s", statistics.median(back) / bare, "-"),
        ("its agent online again, median; p95, p99, most", f"{spread(again)} ms", "-", None, "-"),
    ]


def spread(times):
    ordered = sorted(times)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return f"{statistics.median(ordered):.0f}; {at(0.95):.0f}, {at(0.99):.0f}, {ordered[-1]:.0f}"


def bare_starts(rig, daemon):
    """Milliseconds from the call to the engine's own time of the start, for the same container, with nobody looking after it."""
    daemon.process.terminate()
    daemon.process.wait(30)
    container = rig.engine.get("/containers/json", label=[f"{INSTANCE_LABEL}={daemon.instance}"])[0]["Id"]
    times = []
    for _ in range(10):
        rig.engine.call("POST", f"/containers/{container}/stop?t=1")
        began = time.monotonic()
        rig.engine.call("POST", f"/containers/{container}/start")
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.2)
    return statistics.median(times)


def watch_engine(rig, daemon, deaths, starts):
    def read():
        connection = UnixConnection(rig.engine_socket)
        filters = urllib.parse.quote(json.dumps({"type": ["container"], "label": [f"{INSTANCE_LABEL}={daemon.instance}"]}))
        connection.request("GET", f"/events?filters={filters}")
        for line in iter(connection.getresponse().readline, b""):
            event = json.loads(line)
            fifo = {"die": deaths, "start": starts}.get(event["Action"])
            if fifo:
                fifo.put(event["timeNano"] / 1e9)

    threading.Thread(target=read, daemon=True).start()


def watch_workspace(daemon, workspace, told):
    def read():
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
        connection.request("GET", f"/workspaces/{workspace}/events/stream", headers={"Authorization": f"Bearer {daemon.token}"})
        for line in iter(connection.getresponse().readline, b""):
            if line.startswith(b"data:"):
                told.put((json.loads(line[5:])["type"], time.time()))

    threading.Thread(target=read, daemon=True).start()
    time.sleep(0.5)


def await_kind(told, kind):
    while True:
        seen, at = told.get(timeout=60)
        if seen == kind:
            return at


def drain(fifo):
    while not fifo.empty():
        fifo.get_nowait()
