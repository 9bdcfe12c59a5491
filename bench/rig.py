"""What the measurements stand on: berthd, nginx and PostgreSQL, each started here with files, names and loopback ports of its own.

Everything ends and is removed with the `Rig`, whatever happened.
"""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from daemon import Daemon
from engine import Engine


class Rig(contextlib.ExitStack):
    def __init__(self, berthd, engine_socket):
        super().__init__()
        self.berthd = berthd
        self.engine_socket = engine_socket
        self.engine = Engine(engine_socket)
        self.directory = tempfile.mkdtemp(prefix="berth-bench-")
        os.chmod(self.directory, 0o755)
        self.callback(shutil.rmtree, self.directory, ignore_errors=True)
        signal.signal(signal.SIGTERM, lambda *_: exit(143))

    def instance(self):
        """A new installation's name; whatever carries it on the engine is removed in the end."""
        name = "bench-" + uuid.uuid4().hex[:12]
        self.callback(self.engine.remove_all, name)
        return name

    def start_daemon(self, **settings):
        """A berthd on an empty state directory, unless `STATE_DIR` names one."""
        return Daemon(self, settings)

    def spawn(self, command, log, **options):
        """A process that ends with the rig."""
        with open(os.path.join(self.directory, log), "ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
        self.callback(stop, process)
        return process

    def start_nginx(self, locations):
        """nginx with one worker, which serves `locations`. Returns its port and its processes."""
        port, home = free_port(), tempfile.mkdtemp(prefix="nginx-", dir=self.directory)
        user = "user root;" if os.getuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        with open(f"{home}/nginx.conf", "w") as config:
            config.write(f"""daemon off; worker_processes 1; pid {home}/pid; {user}
                events {{ worker_connections 1024; }}
                http {{
                    access_log off; keepalive_requests 1000000; {temporary}
                    {locations.replace("LISTEN", f"listen 127.0.0.1:{port};")}
                }}""")
        process = self.spawn(["nginx", "-e", "stderr", "-p", home, "-c", f"{home}/nginx.conf"], "nginx.log")
        wait_until(lambda: connects(port), f"nginx on port {port}")
        return port, [process.pid]

    def start_postgres(self):
        """A PostgreSQL of its own, durable as it comes, on a unix socket. Returns the URL of a database and the server's processes."""
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        home = tempfile.mkdtemp(prefix="pg-", dir=self.directory)
        owner = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root.
            user = pwd.getpwnam("postgres")
            os.chown(home, user.pw_uid, user.pw_gid)
            owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        initdb = [f"{binaries}/initdb", "-D", f"{home}/data", "-A", "trust", "-U", "postgres"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=home, **owner)
        postgres = [f"{binaries}/postgres", "-D", f"{home}/data", "-k", home, "-c", "listen_addresses="]
        process = self.spawn(postgres, "postgres.log", cwd=home, **owner)
        ready = [f"{binaries}/pg_isready", "-q", "-h", home]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL")
        return f"postgres://postgres@/postgres?host={home}", [process.pid]


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connects(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
