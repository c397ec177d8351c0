#!/usr/bin/env python3
"""The benchmark: Shiplift and its peers side by side, on real registries.

    make bench                                              everything; writes results.json, results.md and results.svg here
    python3 Benchmarks/run.py --quick                       small images, one run: does the benchmark itself work?
    python3 Benchmarks/run.py --case 'layers*' --tool skopeo --tool shiplift --runs 3

A part of it, or a quick one, writes to .build/benchmarks instead, unless --output names a folder.
"""

import argparse
import contextlib
import fnmatch
import os
import re
import shutil
import signal
import sys
import tempfile
import time

import bars
import cases
import chart
import processes
import report
import service
import tools
import workloads
from bench import Bench, Place, row
from processes import BenchmarkError

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "shiplift-bench-"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small images, one run each; the bars do not apply")
    parser.add_argument("--case", action="append", metavar="NAME", help="only this case; may hold * and be given several times")
    parser.add_argument("--tool", action="append", metavar="NAME", help="only this tool; may hold * and be given several times")
    parser.add_argument("--runs", type=int, help="runs of each case")
    parser.add_argument("--binary", default=os.path.join(service.REPOSITORY, ".build/release/shiplift"), help="the shiplift command")
    parser.add_argument("--output", help="the folder for the results")
    parser.add_argument("--list", action="store_true", help="list the cases and the tools")
    return parser.parse_args()


def matching(patterns, names):
    """The names that were asked for: by the name, by a pattern with *, or by a part where no name is the same."""
    if not patterns:
        return list(names)
    chosen = set()
    for pattern in patterns:
        found = fnmatch.filter(names, pattern) or [name for name in names if pattern in name]
        if not found:
            raise BenchmarkError(f"nothing is called '{pattern}'; --list shows all names")
        chosen.update(found)
    return [name for name in names if name in chosen]


def scratch(parent):
    """A folder of this process. Those of processes that died without cleaning up are removed."""
    for name in os.listdir(parent):
        pid = re.fullmatch(re.escape(NAME) + r"(\d+)", name)
        if pid and not processes.is_alive(int(pid[1])):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
    folder = os.path.join(parent, f"{NAME}{os.getpid()}")
    os.mkdir(folder, 0o755)
    return folder


def memory_parent():
    """Where the registries keep their blobs."""
    if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK):
        return "/dev/shm"
    print("warning: there is no /dev/shm; the registries store on disk, and what is measured is the disk too", file=sys.stderr)
    return tempfile.gettempdir()


def lacks_space(case, memory, disk):
    """Why a case can't be run here; empty where it can."""
    with open("/proc/meminfo", encoding="ascii") as file:
        available = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in file}["MemAvailable"]
    free = min(available - 1024, shutil.disk_usage(memory).free >> 20)
    if free < case.memory_mib:
        return f"not run: needs {case.memory_mib} MiB of memory, {free} are free"
    if shutil.disk_usage(disk).free >> 20 < case.disk_mib:
        return f"not run: needs {case.disk_mib} MiB of disk"
    return ""


def say(case, tool, number, runs, record):
    head = f"{case.name:<22}{tool.name:<20}{number}/{runs}  "
    if "wall_s" in record:
        print(
            f"{head}{record['wall_s']:8.3f} s  CPU {record['cpu_s']:7.3f} s  {record['peak_mib']:6.1f} MiB  "
            f"{record['requests_source']:>5.0f} + {record['requests_target']:<5.0f}requests  "
            f"{record['bytes_target'] / (1 << 20):8.1f} MiB arrived", flush=True)
    else:
        print(head + (record.get("note") or "FAILED " + report.one_line(record["failure"])), flush=True)


def chosen_tools(asked, shiplift):
    """The tools to run; what was not found is said."""
    found, known = [], [shiplift, *tools.peers()]
    names = matching(asked, [tool.slug for tool in known])
    for tool in (tool for tool in known if tool.slug in names):
        if tool.is_there():
            found.append(tool)
        else:
            print(f"{tool.name}: {tool.program} is not on the PATH, left out")
    return found


def chosen_cases(arguments, sizes):
    names = matching(arguments.case, [case.name for case in cases.CASES])
    chosen = [case for case in cases.CASES if case.name in names]
    # A quick run has fewer blob sizes.
    return [case for case in chosen if not case.name.startswith("memory, ") or case.name.removeprefix("memory, ") in sizes.memory]


def benchmark(arguments, memory, disk):
    sizes = workloads.QUICK if arguments.quick else workloads.FULL
    chosen = chosen_cases(arguments, sizes)
    busy = report.busy()
    if busy > 0.1:
        print(f"warning: others use {busy:.0%} of this machine; wall times will be too long", file=sys.stderr)
    rows = []
    with Place(disk, memory) as place, contextlib.ExitStack() as stack:
        ours = service.Service(os.path.abspath(arguments.binary), disk)
        stack.callback(ours.stop)
        ours.start(place.hosts(), place.far_hosts)
        at_rest = service.idle(ours.servers())
        present = chosen_tools(arguments.tool, ours.tool())
        bench = Bench(place, present, sizes, disk, say)
        for case in chosen:
            reason = "" if arguments.quick else lacks_space(case, memory, disk)
            records = {} if reason else bench.run(case, arguments.runs or (1 if arguments.quick else case.runs))
            for tool in present:
                if tool.slug in case.tools:
                    rows.append(row(case, tool, records.get(tool.slug, [{"note": reason}])))
        took_part = {row["tool"] for row in rows}
        return {
            "quick": arguments.quick,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": {**report.machine(memory), "busy_before": busy},
            "tools": {tool.slug: {"name": tool.name, "version": tool.version()} for tool in present if tool.slug in took_part},
            "cases": {case.name: case.words for case in chosen},
            "idle": at_rest,
            "bars": [] if arguments.quick else bars.evaluate(rows),
            "rows": rows}


def main():
    arguments = options()
    if arguments.list:
        print("\n".join(f"{case.name:<22}{case.words}" for case in cases.CASES))
        print("\ntools: shiplift, " + ", ".join(tool.slug for tool in tools.peers()))
        return 0
    partial = arguments.quick or arguments.case or arguments.tool or arguments.runs
    output = arguments.output or (os.path.join(service.REPOSITORY, ".build/benchmarks") if partial else HERE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        parents = [memory_parent(), tempfile.gettempdir()]
        folders = {parent: scratch(parent) for parent in dict.fromkeys(parents)}
        for folder in folders.values():
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            if not os.access(arguments.binary, os.X_OK):
                raise BenchmarkError(f"{arguments.binary} is missing: run 'make build', or name the command with --binary")
            results = benchmark(arguments, *(folders[parent] for parent in parents))
        except BenchmarkError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    os.makedirs(output, exist_ok=True)
    report.write(results, output)
    chart.write(results, os.path.join(output, "results.svg"))
    print(f"\nwrote results.json, results.md and results.svg to {output}")
    return 1 if any(row["failed"] for row in results["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
