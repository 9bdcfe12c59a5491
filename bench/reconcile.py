"""One full reconcile pass over many rows and containers, against only reading and matching the same ones; and its growth at ten times that.

Both sides run in one program (`Tests/ReconcileBench`), round by round, with the engine's list in memory.
"""
import json
import os
import subprocess
import tempfile


def measure(rig):
    with tempfile.TemporaryDirectory(dir=rig.directory) as directory:
        done = subprocess.run([os.environ["BENCH_RECONCILE"], directory], check=True, stdout=subprocess.PIPE, text=True)
    small, large = json.loads(done.stdout)
    rows = []
    for size in [small, large]:
        what = f"{size['rows']:,} rows, {size['containers']:,} containers"
        rows.append(row(f"full reconcile pass, {what}", size, "stored_pass_ms", "read_ms", "reading the rows from SQLite"))
        rows.append(row("the same without the database", size, "pass_ms", "join_ms", "matching them in a dictionary"))
    growth = large["stored_pass_ms"] / small["stored_pass_ms"]
    in_memory = large["pass_ms"] / small["pass_ms"]
    rows.append(("growth of the pass at ten times the size", f"{growth:.1f} times", "10 times the rows", growth / 10, "about 1"))
    rows.append(("the same without the database", f"{in_memory:.1f} times", "10 times the rows", in_memory / 10, "about 1"))
    return rows


def row(what, size, ours, theirs, against):
    return what, f"{size[ours]:.0f} ms", f"{size[theirs]:.0f} ms {against}", size[ours] / size[theirs], ""
