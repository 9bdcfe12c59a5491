"""Takes every measurement in one run, prints the table, and writes the page."""
import create
import deaths
import heartbeats
import memory
import os
import proxy
import report
import sys
import time
from rig import Rig

MEASUREMENTS = [("memory", memory), ("heartbeats", heartbeats), ("create to started", create), ("proxy", proxy), ("deaths", deaths)]


def main():
    began = time.time()
    rows = {}
    with Rig(os.environ["BERTHD"], os.environ["DOCKER_HOST"].removeprefix("unix://")) as rig:
        for name, module in MEASUREMENTS:
            print(f"measuring {name} ...", file=sys.stderr)
            rows[name] = module.measure(rig)
        facts = report.facts(rig, began)
    table = report.table(rows["create to started"] + rows["heartbeats"] + rows["proxy"] + rows["memory"] + rows["deaths"])
    report.write(table, facts)
    print(table)


if __name__ == "__main__":
    main()
