"""wrk: one thread of load, told what to send by a Lua script."""
import json
import os
import subprocess
from process import cpu_seconds

HERE = os.path.dirname(os.path.abspath(__file__))


def start(script, url, seconds, connections, **environment):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", f"{HERE}/{script}", url]
    environment = os.environ | {"BENCH_HERE": HERE} | environment
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finish(process):
    """What a round came to. Every answer must have been a 2xx."""
    output = process.communicate()[0]
    round = json.loads(output.splitlines()[-1])
    if round["errors"] or not round["requests"]:
        raise RuntimeError(f"{process.args[-1]}: {round}")
    return round | {"rate": round["requests"] / round["seconds"]}


def run(script, url, seconds, connections, pids, **environment):
    """One round against `url`, with the processor time that `pids` spent on each request."""
    before = cpu_seconds(pids)
    round = finish(start(script, url, seconds, connections, **environment))
    return round | {"cpu_us": (cpu_seconds(pids) - before) / round["requests"] * 1e6}
