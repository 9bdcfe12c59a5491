"""A berthd under measurement."""
import copy
import http.client
import json
import os
import re
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Daemon:
    def __init__(self, rig, settings):
        home = tempfile.mkdtemp(prefix="berthd-", dir=rig.directory)
        environment = {
            "PATH": os.environ["PATH"], "STATE_DIR": f"{home}/state", "PORT": "0", "DOCKER_HOST": f"unix://{rig.engine_socket}",
            "CONFIGS_DIR": f"{ROOT}/templates",
        } | settings
        if "MOLECULE_INSTANCE_ID" not in environment:
            environment["MOLECULE_INSTANCE_ID"] = rig.instance()
        self.instance = environment["MOLECULE_INSTANCE_ID"]
        log = f"{home}/log"
        self.process = rig.spawn([rig.berthd], log, env=environment)
        self.pid = self.process.pid
        self.port = self._open_door(log)
        with open(f"{environment['STATE_DIR']}/admin-token") as file:
            self.token = file.read().strip()
        self.connection = self._connect()

    def _connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def own_connection(self):
        """The same daemon, spoken to by another thread."""
        other = copy.copy(self)
        other.connection = self._connect()
        return other

    def _open_door(self, log):
        end = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < end:
            with open(log) as file:
                door = re.search(r"people's door is open.* address=127\.0\.0\.1:(\d+)", file.read())
            if door:
                return int(door[1])
            time.sleep(0.02)
        with open(log) as file:
            raise RuntimeError("berthd did not start:\n" + file.read()[-2000:])

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        status, answer = response.status, response.read()
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode()}")
        return json.loads(answer)

    def create_echo(self, name):
        return self.call("POST", "/workspaces", {"name": name, "template": "echo"})["id"]

    def wait_online(self, workspace, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            row = self.call("GET", f"/workspaces/{workspace}")
            if row["status"] == "online":
                return row
            if row["status"] == "failed":
                raise RuntimeError(f"workspace failed: {row['failure']}")
            time.sleep(0.05)
        raise TimeoutError(f"workspace {workspace} is {row['status']}")

    def create_external(self, count):
        """Rows of agents that live elsewhere, as (id, token)."""
        made = [self.call("POST", "/workspaces", {"name": f"beater {number}", "external": True}) for number in range(count)]
        return [(row["id"], row["connection"]["auth_token"]) for row in made]
