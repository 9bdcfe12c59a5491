"""Processor time and memory of processes, from /proc."""
import os

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    """User and system time so far of `pids` and their children, those that are gone included."""
    return sum(_ticks(pid) for pid in _with_children(pids)) / TICK


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _with_children(pids):
    family = set()
    for pid in pids:
        family.add(pid)
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            family |= _with_children([int(child) for child in file.read().split()])
    return family


def _ticks(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
    except FileNotFoundError:
        return 0
    return sum(int(field) for field in fields[11:15])
