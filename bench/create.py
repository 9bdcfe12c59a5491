"""From "create" to a started container: through berthd, and by a bare script that makes the same engine calls.

The calls are not written down here, where they would grow old: a tap records them, in order and with their bodies, while berthd creates a
workspace. The script repeats them for a workspace id of its own. Both are timed by the same two clocks: ours just before the first byte
is sent, the engine's own time of the container's start at the end.
"""
import json
import os
import statistics
import time
import uuid
from rig import wait_until
from tap import Tap

PAIRS = 12
# A container must not be stopped right after its start; the agents of both sides get the same time to settle.
SETTLE_SECONDS = 0.5


def measure(rig):
    instance = rig.instance()
    settings = {"MOLECULE_INSTANCE_ID": instance, "STATE_DIR": os.path.join(rig.directory, "create")}
    script = BareScript(rig, instance, record(rig, settings))
    daemon = rig.start_daemon(**settings)
    starts = rig.engine.starts()
    through_berthd(daemon, starts)  # The first one of each warms up.
    script.run(starts)
    pairs = []
    for number in range(PAIRS):
        if number % 2:
            pairs.append((through_berthd(daemon, starts), script.run(starts)))
        else:
            bare = script.run(starts)
            pairs.append((through_berthd(daemon, starts), bare))
    ours, bare = (statistics.median(side) * 1000 for side in zip(*pairs))
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    against = f"{bare:.0f} ms bare script, {len(script.calls)} engine calls (of the medians: {ours / bare:.2f})"
    return [(f"create to started, {PAIRS} pairs", f"{ours:.0f} ms", against, ratio, "at most 1.10")]


def through_berthd(daemon, starts):
    began = time.time()
    workspace = daemon.create_echo("bench create")
    ended = started_at(starts, workspace)
    daemon.wait_online(workspace)
    time.sleep(SETTLE_SECONDS)
    daemon.call("DELETE", f"/workspaces/{workspace}?confirm=true")
    return ended - began


def started_at(starts, workspace):
    return next(at for id, at in starts if id == workspace)


class Recording:
    """The engine calls of one creation, and the names in them that belong to it alone."""

    def __init__(self, workspace, container, calls):
        self.workspace, self.container = workspace, container
        self.calls = calls


def record(rig, settings):
    """The second creation of a daemon behind a tap: the first one made the network."""
    tap = Tap(settings["STATE_DIR"] + "-tap.sock", rig.engine_socket)
    daemon = rig.start_daemon(**settings, DOCKER_HOST=f"unix://{tap.path}", RECOVERY_INTERVAL_SECONDS="600")
    for _ in range(2):
        tap.calls.clear()
        workspace = daemon.create_echo("bench record")
        daemon.wait_online(workspace)
        calls = list(tap.calls)
        container = rig.engine.get(f"/containers/ws-{workspace[:12]}/json")["Id"]
        daemon.call("DELETE", f"/workspaces/{workspace}?confirm=true")
    daemon.stop()
    return Recording(workspace, container, own_calls(calls, workspace, container))


def own_calls(calls, workspace, container):
    """The calls up to the start, without those that berthd's loops made in between: an own call names the workspace or its container,
    or asks for the network or the image, once each."""
    own = []
    for call in calls:
        named = any(name.encode() in call.target.encode() + (call.body or b"") for name in [workspace[:12], container])
        shared = any(f"/{kind}" in call.target for kind in ["networks", "images"]) and call not in own
        if named or shared:
            own.append(call)
        if call.target.endswith(f"/{container}/start"):
            return own
    raise RuntimeError(f"no start among {[(call.method, call.target) for call in calls]}")


class BareScript:
    def __init__(self, rig, instance, recording):
        self.engine = rig.engine
        self.calls = recording.calls
        self.recording = recording
        # Another installation's name, as long as the daemon's: it must not take our containers for its own.
        self.instances = (instance, rig.instance())

    def run(self, starts):
        began = time.time()
        ended = started_at(starts, self.make(self.engine))
        time.sleep(SETTLE_SECONDS)
        self.clear()
        return ended - began

    def make(self, engine):
        """Makes and starts one container. Returns the id of the workspace it is labelled with."""
        workspace = str(uuid.uuid4())
        names = {self.recording.workspace: workspace, self.recording.workspace[:12]: workspace[:12]}
        names |= dict([self.instances])
        container = None
        for call in self.calls:
            call = call if asks_for_network(call) else rename(call, names)
            target = call.target.replace(self.recording.container, container or "")
            status, answer = engine.call(call.method, target, call.body, call.content_type)
            if status >= 300:
                raise RuntimeError(f"{call.method} {target}: {status} {answer.decode()}")
            if "/containers/create" in target:
                container = json.loads(answer)["Id"]
        return workspace

    def clear(self):
        self.engine.remove_all(self.instances[1])


def asks_for_network(call):
    """Both sides use the daemon's network, so its name stays."""
    return "/networks" in call.target


def rename(call, names):
    target, body = call.target, call.body
    for old, new in names.items():
        target = target.replace(old, new)
        body = body and body.replace(old.encode(), new.encode())
    return call._replace(target=target, body=body)
