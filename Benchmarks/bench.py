"""Runs the cases: prepares registries and tools for each run, measures, and checks what came of it."""

import http.client
import os
import statistics
import subprocess
import sys
import time

import images
from measure import measure
from one_call import NOT_THERE
from processes import BenchmarkError, start, stop
from registries import Registry
from tools import Job

LETTERS = ["a", "b", "c", "d", "disk"]
DELAY_MS = 20


class Place:
    """The registries, and the proxies that make two of them far away."""

    def __init__(self, folder, memory):
        self.registries = {
            letter: Registry(letter, folder, os.path.join(folder, "storage") if letter == "disk" else memory) for letter in LETTERS}
        self.folder = folder
        self.proxies = []
        self.far_hosts = {}

    def __enter__(self):
        try:
            for registry in self.registries.values():
                registry.start()
            for letter in ("a", "b"):
                self.far_hosts[letter] = self._proxy(self.registries[letter].host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for proxy in self.proxies:
            stop(proxy)
            proxy.stdout.close()
        for registry in self.registries.values():
            registry.stop()

    def hosts(self):
        return {letter: registry.host for letter, registry in self.registries.items()}

    def _proxy(self, host):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "latency.py")
        proxy = start([sys.executable, script, host, str(DELAY_MS)], subprocess.PIPE, None)
        self.proxies.append(proxy)
        address = proxy.stdout.readline().decode().strip()
        if not address:
            raise BenchmarkError("the slow proxy did not start")
        return address


class Bench:
    """All that a run needs."""

    def __init__(self, place, tools, sizes, folder, say):
        self.place, self.tools, self.sizes, self.folder, self.say = place, tools, sizes, folder, say

    def run(self, case, runs):
        """The case by every tool, one after the other, run by run. Answers the records of all runs by tool."""
        tools = [tool for tool in self.tools if tool.slug in case.tools]
        records = {tool.slug: [] for tool in tools}
        for number in range(runs):
            workload = case.make(f"{case.slug}-{number}", self.sizes)
            # Who comes first changes from run to run.
            turn = number % len(tools) if tools else 0
            broken = self._fill(case, workload)
            for tool in tools[turn:] + tools[:turn]:
                record = {"failure": broken} if broken else self._attempt(case, workload, tool)
                records[tool.slug].append(record)
                self.say(case, tool, number + 1, runs, record)
            self.place.registries[case.way.source].wipe()
        return records

    def _fill(self, case, workload):
        """Brings the images into the source. Answers why that failed; empty where it did not."""
        registry = self.place.registries[case.way.source]
        registry.wipe()
        pusher = images.Pusher(registry)
        try:
            for item in [*workload.promoted, *workload.others, *workload.seed]:
                pusher.push(f"{case.way.ours[0]}/{item.image}", item.manifest, item.tag)
        except (BenchmarkError, OSError, http.client.HTTPException) as error:
            return f"the source could not be filled: {error}"
        finally:
            pusher.close()
        return ""

    def _attempt(self, case, workload, tool):
        try:
            return self._once(case, workload, tool)
        except (BenchmarkError, OSError, http.client.HTTPException) as error:
            return {"failure": str(error) or type(error).__name__}

    def _once(self, case, workload, tool):
        way = case.way
        if not way.is_inside:
            for letter in way.targets:
                self.place.registries[letter].wipe()
        prefix = way.ours[1] if tool.servers else tool.slug
        job = self._job(case, workload.promoted, prefix)
        command = self._prepare(case, workload, tool, job, prefix)
        if command is None:
            return {"note": "has no such command"}
        marks = {letter: self.place.registries[letter].mark() for letter in {way.source, *way.targets}}
        cost = measure(command, tool.servers, tool.settle)
        traffic = {letter: self.place.registries[letter].since(mark) for letter, mark in marks.items()}
        if cost.status == NOT_THERE and tool.servers:
            return {"note": "not there"}
        if cost.status != 0:
            return {"failure": f"status {cost.status}: {cost.errors}"}
        self._check(case, workload, prefix)
        return record(case, workload, cost, traffic)

    def _job(self, case, items, prefix):
        hosts = {**self.place.hosts(), **(self.place.far_hosts if case.way.slow else {})}
        return Job(
            items, f"{hosts[case.way.source]}/{case.way.ours[0]}", [f"{hosts[letter]}/{prefix}" for letter in case.way.targets],
            case.way.ours, case.at_once, case.one_call)

    def _prepare(self, case, workload, tool, job, prefix):
        """All that is not measured: what the target holds before, what the tool has seen before."""
        home = os.path.join(self.folder, f"home-{tool.slug}")
        tool.forget(home)
        before = []
        if workload.seed:
            before.append(tool.command(self._job(case, workload.seed, prefix)))
        if case.again:
            before.append(tool.command(job))
        if tool.keeps_cache and case.way.is_inside:
            before.append(tool.command(self._job(case, workload.promoted, prefix + "-before")))
        if case.dry_run:
            before.append(tool.dry_run(job))
        for command in before:
            cost = measure(command)
            if cost.status != 0:
                raise BenchmarkError(f"preparation: status {cost.status}: {cost.errors}")
        if before:
            time.sleep(tool.remembers_seconds)
        if not tool.keeps_cache:
            tool.forget(home)
        return tool.command(job)

    def _check(self, case, workload, prefix):
        """Every tag at every target names the digest that it names at the source."""
        for letter in case.way.targets:
            for item in workload.promoted:
                found = self.place.registries[letter].digest(f"{prefix}/{item.image}", item.tag)
                if found != item.manifest.digest:
                    raise BenchmarkError(f"{item.image}:{item.tag} in {letter} is '{found}', not {item.manifest.digest}")


def record(case, workload, cost, traffic):
    """The figures of one run."""
    way, sizes = case.way, workload.sizes()
    everything = [(letter, request) for letter, part in traffic.items() for request in part.requests]
    # Inside one registry, what names the source's repository is the source's.
    at_source = [
        request for letter, request in everything
        if letter == way.source and (not way.is_inside or request.is_in(way.ours[0]))]
    at_target = [
        request for letter, request in everything
        if letter in way.targets and not (way.is_inside and request.is_in(way.ours[0]))]
    uploaded = [request.uploaded_blob for request in at_target if request.uploaded_blob]
    strangers = [digest for digest in uploaded if digest not in sizes]
    if strangers:
        raise BenchmarkError(f"uploaded a blob that is in no image: {strangers[0]}")
    served = sum(request.served_blob_bytes for request in at_source)
    return {
        "wall_s": cost.wall_s,
        "cpu_s": sum(cost.cpu_s.values()),
        "peak_mib": sum(cost.peak_mib.values()),
        "requests": len(at_source) + len(at_target),
        "requests_source": len(at_source),
        "requests_target": len(at_target),
        "bytes_source": served,
        "bytes_target": sum(traffic[letter].received_bytes for letter in way.targets),
        "blob_bytes_target": sum(sizes[digest] for digest in uploaded),
        "base_bytes_target": sum(sizes[digest] for digest in uploaded if digest in workload.bases),
        "source_factor": served / workload.blob_bytes(),
        **{f"cpu_{name}_s": value for name, value in cost.cpu_s.items()},
        **{f"peak_{name}_mib": value for name, value in cost.peak_mib.items()},
    }


def row(case, tool, records):
    """Medians of the runs that succeeded; the others are counted, and the first reason is kept."""
    good = [each for each in records if "wall_s" in each]
    failures = [each["failure"] for each in records if "failure" in each]
    notes = [each["note"] for each in records if "note" in each]
    result = {"case": case.name, "tool": tool.slug, "name": tool.name, "runs": len(good), "failed": len(failures)}
    for measure_name in good[0] if good else []:
        result[measure_name] = statistics.median(each[measure_name] for each in good)
    if failures:
        result["failure"] = failures[0]
    if notes:
        result["note"] = notes[0]
    result["every"] = records
    return result
