"""How long a workspace is away while its container is replaced by one of a new version of its image, against its own cold start: both from the
event that says it is being made to the event that says its agent is there, in the same run. The versions come from a registry of the run's
own, and each proves itself on a canary first, which nobody waits for."""
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import uuid
from rig import connects, free_port, wait_until

ROUNDS = int(os.environ.get("BENCH_REFRESHES", "10"))


def measure(rig):
    registry = Registry(rig)
    registry.publish()
    templates = tempfile.mkdtemp(prefix="templates-", dir=rig.directory)
    os.makedirs(f"{templates}/moving")
    with open(f"{templates}/moving/config.yaml", "w") as config:
        config.write(f"runtime: echo\nimage: {registry.reference}\n")
    daemon = rig.start_daemon(CONFIGS_DIR=templates, IMAGE_MIN_FREE_MB="0")
    create = lambda name: daemon.call("POST", "/workspaces", {"name": name, "template": "moving"})["id"]
    daemon.wait_online(create("first"))  # Brings the image here: a pull is no part of a start.
    cold, workspace = [], None
    for number in range(ROUNDS):
        workspace = create(f"cold {number}")
        daemon.wait_online(workspace)
        cold += absences(daemon, workspace)
        if number + 1 < ROUNDS:
            daemon.call("DELETE", f"/workspaces/{workspace}")
    for _ in range(ROUNDS):
        registry.publish()
        report = daemon.call("POST", "/admin/workspace-images/refresh?runtime=echo")
        if report["failed"]:
            raise RuntimeError(f"refresh failed: {report}")
    away = absences(daemon, workspace)[1:]
    assert len(away) == ROUNDS, away
    daemon.stop()
    subprocess.run(["docker", "rmi", "-f", registry.reference], check=False, capture_output=True)
    start = statistics.median(cold)
    return [
        (f"away for a new version of its image, median of {ROUNDS}", f"{statistics.median(away):.0f} ms", f"{start:.0f} ms its cold start", statistics.median(away) / start, "at most 1.2"),
        ("the same, the longest", f"{max(away):.0f} ms", f"{max(cold):.0f} ms the longest cold start", max(away) / max(cold), "at most 1.2"),
    ]


def absences(daemon, workspace):
    """Milliseconds from each event that the workspace is being made to the next one that it is online."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=2)
    headers = {"Authorization": f"Bearer {daemon.token}", "Last-Event-ID": "0"}
    connection.request("GET", f"/workspaces/{workspace}/events/stream", headers=headers)
    times, began = [], None
    try:
        for line in iter(connection.getresponse().readline, b""):
            event = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if event.get("type") == "WORKSPACE_PROVISIONING":
                began = event["timestamp"]
            elif event.get("type") == "WORKSPACE_ONLINE" and began is not None:
                times.append(event["timestamp"] - began)
                began = None
    except TimeoutError:
        pass  # Everything that is stored has been read.
    return times


class Registry:
    """Debian's registry on a loopback port. What is pushed to `localhost` is pulled from 127.0.0.1, so that a push moves no name berthd uses."""

    def __init__(self, rig):
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix="registry-", dir=rig.directory)
        with open(f"{self.directory}/config.yml", "w") as config:
            config.write(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {self.directory}}}}}\nhttp: {{addr: '127.0.0.1:{self.port}'}}\n")
        rig.spawn(["docker-registry", "serve", f"{self.directory}/config.yml"], "registry.log")
        wait_until(lambda: connects(self.port), "the registry")
        self.reference = f"127.0.0.1:{self.port}/bench/echo:1"

    def publish(self):
        """Moves the tag to another version."""
        pushed = f"localhost:{self.port}/bench/echo:1"
        text = f"FROM berth/workspace-echo:latest\nLABEL version={uuid.uuid4().hex}\n"
        docker("build", "-q", "-t", pushed, "-", input=text.encode())
        docker("push", "-q", pushed)
        docker("rmi", pushed)


def docker(*arguments, **options):
    subprocess.run(["docker", *arguments], check=True, capture_output=True, **options)
