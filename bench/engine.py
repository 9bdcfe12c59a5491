"""The Docker engine, spoken to over one keep-alive connection."""
import http.client
import json
import socket
import urllib.parse
from typing import NamedTuple

INSTANCE_LABEL = "molecule.platform.instance"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Event(NamedTuple):
    workspace: str | None
    action: str
    at: float
    """The engine's own time in seconds."""


class Engine:
    def __init__(self, path):
        self.path = path
        self.connection = UnixConnection(path)

    def call(self, method, target, body=None, content_type=None):
        """Status and body of one call. Never repeated: a broken connection is an error."""
        headers = {"Content-Type": content_type} if content_type else {}
        self.connection.request(method, target, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read()

    def get(self, target, **filters):
        query = "?" + urllib.parse.urlencode({"all": 1, "filters": json.dumps(filters)}) if filters else ""
        return json.loads(self.call("GET", target + query)[1])

    def starts(self):
        """Yields (workspace id, the engine's own time in seconds) for every container start from now on."""
        return ((event.workspace, event.at) for event in self.events("start"))

    def events(self, *actions):
        """Yields every `Event` of these actions from now on."""
        connection = UnixConnection(self.path)
        filters = urllib.parse.quote(json.dumps({"type": ["container"], "event": list(actions)}))
        connection.request("GET", f"/events?filters={filters}")
        lines = connection.getresponse()

        def read():
            for line in iter(lines.readline, b""):
                event = json.loads(line)
                workspace = event["Actor"]["Attributes"].get("molecule.workspace.id")
                yield Event(workspace, event["Action"], event["timeNano"] / 1e9)

        return read()

    def remove_all(self, instance):
        """Removes what carries the name of this installation."""
        label = [f"{INSTANCE_LABEL}={instance}"]
        for container in self.get("/containers/json", label=label):
            self.call("DELETE", f"/containers/{container['Id']}?force=1")
        for volume in self.get("/volumes", label=label)["Volumes"] or []:
            self.call("DELETE", f"/volumes/{volume['Name']}")
        for network in self.get("/networks", label=label):
            self.call("DELETE", f"/networks/{network['Id']}")
