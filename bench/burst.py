"""A hundred containers, four at a time: through berthd, and by the bare script of `create.py` in four threads.

Both sides get the same image, limits, mounts and files, because the script repeats berthd's own calls. The wall time runs from the first
request to the engine's time of the last start. The single container is timed by the engine's clock alone, from its creation to its start.
"""
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from create import BareScript, record
from engine import Engine
from rig import wait_until

COUNT, WIDTH, ROUNDS = 100, 4, 2


def measure(rig):
    instance = rig.instance()
    settings = {
        "MOLECULE_INSTANCE_ID": instance, "STATE_DIR": os.path.join(rig.directory, "burst"), "MAX_CONCURRENT_PROVISIONS": str(WIDTH),
    }
    script = BareScript(rig, instance, record(rig, settings))
    daemon = rig.start_daemon(**settings)
    watch = EventWatch(rig.engine)
    sides = {"berthd": lambda: through_berthd(rig, daemon, watch, instance), "script": lambda: by_script(rig, script, watch)}
    results = {side: [] for side in sides}
    for number in range(ROUNDS):
        for side in list(sides)[:: 1 if number % 2 else -1]:
            results[side].append(sides[side]())
    ours, bare = results["berthd"], results["script"]

    def row(what, key, unit, scale, aim):
        mine, theirs = (statistics.median(key(round) for round in side) * scale for side in [ours, bare])
        ratio = statistics.median(key(a) / key(b) for a, b in zip(ours, bare))
        return what, f"{mine:.{0 if scale > 1 else 1}f} {unit}", f"{theirs:.{0 if scale > 1 else 1}f} {unit} bare script", ratio, aim

    return [
        row(f"{COUNT} containers, {WIDTH} at a time, {ROUNDS} rounds", lambda round: round[0], "s", 1, "at most 1.15"),
        row("one of them, created to started, median", lambda round: statistics.median(round[1]), "ms", 1000, ""),
        row("one of them, created to started, p95", lambda round: quantile(round[1], 0.95), "ms", 1000, ""),
    ]


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def through_berthd(rig, daemon, watch, instance):
    watch.clear()
    began = time.time()
    ids = [daemon.create_echo(f"burst {number}") for number in range(COUNT)]
    wall, times = watch.wait_for(ids, began)
    for id in ids:
        daemon.wait_online(id)
    with ThreadPoolExecutor(WIDTH) as pool:
        list(pool.map(lambda id: daemon.own_connection().call("DELETE", f"/workspaces/{id}?confirm=true"), ids))
    left = rig.engine.get("/containers/json", label=[f"molecule.platform.instance={instance}"])
    if left:
        raise RuntimeError(f"{len(left)} containers are left after the deletes")
    return wall, times


def by_script(rig, script, watch):
    watch.clear()
    engines = threading.local()

    def one(_):
        if not hasattr(engines, "own"):
            engines.own = Engine(rig.engine_socket)
        return script.make(engines.own)

    began = time.time()
    with ThreadPoolExecutor(WIDTH) as pool:
        ids = list(pool.map(one, range(COUNT)))
    wall, times = watch.wait_for(ids, began)
    script.clear()
    return wall, times


class EventWatch:
    """The engine's own times of creations and starts, by workspace."""

    def __init__(self, engine):
        self.seen = {}
        events = engine.events("create", "start")
        threading.Thread(target=self._read, args=(events,), daemon=True).start()

    def _read(self, events):
        for event in events:
            self.seen.setdefault((event.workspace, event.action), event.at)

    def clear(self):
        self.seen.clear()

    def wait_for(self, ids, began):
        """Wall time until the last of them was started, and the time each took from its creation."""
        wait_until(lambda: all((id, "start") in self.seen for id in ids), f"{len(ids)} starts", seconds=300)
        starts = [self.seen[id, "start"] for id in ids]
        return max(starts) - began, [self.seen[id, "start"] - self.seen[id, "create"] for id in ids]
