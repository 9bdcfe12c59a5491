"""The table, and the page it stands on."""
import os
import platform
import statistics
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def table(rows):
    lines = ["| measured | berthd | against | ratio | aim |", "|---|---|---|---|---|"]
    lines += [f"| {what} | {ours} | {theirs} | {shown(ratio)} | {aim} |" for what, ours, theirs, ratio, aim in rows]
    return "\n".join(lines)


def shown(ratio):
    return "lost in noise" if ratio is None else f"{ratio:.2f}"


def facts(rig, began):
    with open("/proc/cpuinfo") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    revision = said("git", "-C", ROOT, "rev-parse", "--short", "HEAD") or "unknown"
    engine = rig.engine.get("/version")
    nginx = said("nginx", "-v").removeprefix("nginx version: ")
    wrk = said("wrk", "-v").partition(" [")[0]
    return [
        f"{time.strftime('%Y-%m-%d', time.gmtime(began))}, revision {revision}, {time.time() - began:.0f} s for the whole run",
        f"{os.cpu_count()} processors ({model}), {memory:.0f} GiB of memory, Linux {platform.release()}",
        f"one small write made durable (`fdatasync`): {durable_write_ms(rig.directory):.1f} ms, median of 50 at the end of the run",
        f"load average at the end: {load:.1f}; wrk, nginx and the engine take part in it, and so does whatever else the machine does",
        f"Docker Engine {engine['Version']}, {nginx}, {wrk}, Python {platform.python_version()}",
    ]


def durable_write_ms(directory):
    """What the disk asks for each commit: no database can be quicker for one writer alone."""
    with open(os.path.join(directory, "durable"), "wb", buffering=0) as file:
        times = []
        for _ in range(50):
            file.write(b"x" * 4096)
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    return statistics.median(times) * 1000


def said(*command):
    """The first line that a command wrote; empty when it wrote none."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((done.stdout + done.stderr).splitlines()), "")


def write(rows, lines):
    with open(os.path.join(ROOT, "bench", "page.md")) as file:
        page = file.read()
    path = os.environ.get("BENCH_PAGE", os.path.join(ROOT, "docs", "benchmarks.md"))
    with open(path, "w") as file:
        file.write(page.replace("TABLE", rows).replace("FACTS", "\n".join(f"- {line}" for line in lines)))
