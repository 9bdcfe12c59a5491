"""A unix socket in front of the engine's that passes everything on and writes down the calls."""
import socket
import threading
from typing import NamedTuple


class Call(NamedTuple):
    method: str
    target: str
    content_type: str | None
    body: bytes | None


class Tap:
    def __init__(self, path, engine_path):
        self.path = path
        self.calls = []
        self._engine_path = engine_path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._engine_path)
            threading.Thread(target=self._requests, args=(client, engine), daemon=True).start()
            threading.Thread(target=copy, args=(engine, client), daemon=True).start()

    def _requests(self, client, engine):
        reader = client.makefile("rb")
        try:
            while line := reader.readline():
                self._one(line, reader, engine)
        except OSError:
            pass  # berthd may hang up in the middle of a stream of events.
        finally:
            shut(engine)

    def _one(self, line, reader, engine):
        head, fields = line, {}
        while (field := reader.readline()) not in (b"\r\n", b""):
            head += field
            name, _, value = field.decode().partition(":")
            fields[name.lower()] = value.strip()
        body = reader.read(int(fields.get("content-length", 0)))
        method, target, _ = line.decode().split(" ", 2)
        self.calls.append(Call(method, target, fields.get("content-type"), body or None))
        engine.sendall(head + b"\r\n" + body)


def copy(source, target):
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
    except OSError:
        pass  # Either side may hang up first.
    finally:
        shut(target)


def shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The other side was quicker.
