"""Takes every measurement in one run, prints the table, and writes the page. With names as arguments only these are taken, and no page is
written."""
import burst
import create
import deaths
import heartbeats
import memory
import os
import proxy
import reconcile
import refresh
import report
import sys
import time
from rig import Rig

MEASUREMENTS = {
    "memory": memory, "heartbeats": heartbeats, "create": create, "proxy": proxy, "deaths": deaths, "reconcile": reconcile, "burst": burst,
    "refresh": refresh,
}
PAGE = ["create", "burst", "deaths", "refresh", "reconcile", "heartbeats", "proxy", "memory"]


def main():
    began = time.time()
    chosen = sys.argv[1:] or list(MEASUREMENTS)
    rows = {}
    with Rig(os.environ["BERTHD"], os.environ["DOCKER_HOST"].removeprefix("unix://")) as rig:
        for name in chosen:
            print(f"measuring {name} ...", file=sys.stderr)
            rows[name] = MEASUREMENTS[name].measure(rig)
        facts = report.facts(rig, began)
    table = report.table([row for name in PAGE for row in rows.get(name, [])])
    if len(chosen) == len(MEASUREMENTS):
        report.write(table, facts)
    print(table, *[f"- {fact}" for fact in facts], sep="\n")


if __name__ == "__main__":
    main()
