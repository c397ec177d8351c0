#!/usr/bin/env python3
"""The audit log at scale: questions, proofs, export, verification and appends over a log of many entries.

    make bench-audit                               200,000 entries, minutes
    make bench-audit ARGS="--size 10000000"        as the figures in README; wants 20 GB of disk and half an hour
    python3 Benchmarks/audit.py --owner-url URL --database-url URL     on a server of your own; seeds what is missing

The command ends with status 1 where a bar is missed. The bars are those of the log at 10 million entries.
"""

import argparse
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

import processes
from processes import BenchmarkError
from service import REPOSITORY, Service

QUERY_P99_MS, PROOF_P99_MS, EXPORT_RATE, EXPORT_MIB, VERIFY_RATE, APPEND_RATE = 50, 10, 100_000, 100, 300_000, 4_000
HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = """version: 1
kind: Environments
environments:
  - { name: dev, registries: [{ url: "https://dev.example.test" }] }
"""


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=200_000, help="entries to have in the log")
    parser.add_argument("--rounds", type=int, default=60, help="how often each question is asked, each time about something else")
    parser.add_argument("--seconds", type=int, default=15, help="how long is appended")
    parser.add_argument("--owner-url", help="a database of your own: the owner's URL")
    parser.add_argument("--database-url", help="the service's URL")
    parser.add_argument("--binary", default=os.path.join(REPOSITORY, ".build/release/shiplift"))
    return parser.parse_args()


class Database:
    """The owner's way into the service's database."""

    def __init__(self, url):
        self.url = url

    def psql(self, *arguments):
        answer = subprocess.run(
            [processes.program("psql", "postgresql-client"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *arguments, self.url],
            env={**os.environ, "PGOPTIONS": "-c search_path=shiplift,public"}, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise BenchmarkError(f"psql: {answer.stderr}")
        return answer.stdout.strip()

    def entries(self):
        return int(self.psql("-c", "SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves"))

    def seed(self, size):
        missing = size - self.entries()
        if missing > 1000:
            print(f"seeding {missing:,} entries", flush=True)
            self.psql("-v", f"size={missing}", "-f", os.path.join(HERE, "audit_seed.sql"))

    def append(self, seconds):
        """Entries a second that 16 writers append, and what has no place a second after they stopped."""
        command = [
            "pgbench", "-n", "-c", "16", "-j", "2", "-T", str(seconds), "-M", "prepared", "-f", os.path.join(HERE, "audit_append.sql"), self.url]
        folder = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        command[0] = next((path for path in (f"{folder}/pgbench", "/usr/lib/postgresql/15/bin/pgbench") if os.path.exists(path)), "pgbench")
        answer = subprocess.run(
            command, env={**os.environ, "PGOPTIONS": "-c search_path=shiplift,public -c role=shiplift_app"}, capture_output=True, text=True, check=False)
        rate = re.search(r"tps = ([\d.]+)", answer.stdout)
        if answer.returncode or not rate:
            raise BenchmarkError(f"pgbench: {answer.stdout}{answer.stderr}")
        time.sleep(1)
        return float(rate[1]), int(self.psql("-c", "SELECT count(*) FROM audit_unsequenced"))


class Caller:
    """One kept-alive connection to the service."""

    def __init__(self, service, token):
        self.connection = http.client.HTTPConnection(service.url.removeprefix("http://"), timeout=600)
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path, **query):
        """The answer, and its milliseconds."""
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        start = time.perf_counter()
        self.connection.request("GET", target, headers=self.headers)
        answer = self.connection.getresponse()
        data = answer.read()
        taken = (time.perf_counter() - start) * 1000
        if answer.status != 200:
            raise BenchmarkError(f"{target}: {answer.status} {data[:300]}")
        return data, taken

    def drain(self, path, file):
        """Lines and seconds of a streamed answer."""
        start, lines = time.perf_counter(), 0
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        while piece := answer.read(1 << 20):
            lines += piece.count(b"\n")
            file.write(piece)
        return lines, time.perf_counter() - start


def questions(samples):
    """Each kind of question with how to fill it in from entries that are there."""
    def entry():
        return random.choice(samples)
    day = 86_400_000_000
    def date(micros):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(micros / 1e6))
    return {
        "newest": dict,
        "image": lambda: {"image": entry()["image"]},
        "image that isn't there": lambda: {"image": f"no/such-{random.randrange(1000)}"},
        "digest": lambda: {"digest": entry()["digest"]},
        "promotion": lambda: {"promotion": entry()["promotionId"]},
        "actor": lambda: {"actor": entry()["actor"]},
        "action": lambda: {"action": entry()["action"]},
        "environment": lambda: {"environment": entry()["environment"]},
        "denied": lambda: {"outcome": "denied"},
        "denied, image": lambda: {"outcome": "denied", "image": entry()["image"]},
        "entered production in a month": lambda: (lambda e: {
            "environment": "production", "action": "promotion.succeeded", "since": date(e["timeMicros"]), "until": date(e["timeMicros"] + 31 * day)})(entry()),
        "image, environment, action": lambda: (lambda e: {"image": e["image"], "environment": e["environment"], "action": e["action"]})(entry()),
        "actor, image": lambda: (lambda e: {"actor": e["actor"], "image": e["image"]})(entry()),
        "text in an image": lambda: (lambda e: {"q": e["requestId"], "digest": e["digest"]})(entry()),
        "request in an hour": lambda: (lambda e: {
            "requestId": e["requestId"], "since": date(e["timeMicros"] - day // 48), "until": date(e["timeMicros"] + day // 48)})(entry()),
    }


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Report:
    def __init__(self):
        self.missed = []

    def line(self, name, value, unit, bar, holds):
        print(f"{name:44} {value:>12} {unit:10} bar {bar:12} {'' if holds else 'MISSED'}", flush=True)
        if not holds:
            self.missed.append(name)


def measure(service, database, chosen, report, folder):
    with open(os.path.join(service.data, "admin-token"), encoding="utf-8") as file:
        token = file.read().strip()
    caller = Caller(service, token)
    size = database.entries()
    deadline = time.time() + 3600
    while True:  # until all is signed for, and the nodes are kept
        note = caller.get("/v1/audit/checkpoint")[0].decode().split("\n")
        nodes = int(database.psql("-c", "SELECT count(*) FROM audit_nodes WHERE level = 8"))
        if int(note[1]) >= size and nodes >= size // 256:
            break
        if time.time() > deadline:
            raise BenchmarkError("the log is not signed for")
        time.sleep(1)
    print(f"{size:,} entries", flush=True)
    samples = []
    for _ in range(30):
        index = random.randrange(max(size - chosen.size, 0), size)
        for item in json.loads(caller.get("/v1/audit", after=index - 1, limit=20)[0])["items"]:
            if "promotionId" in item["entry"]:
                samples.append(item["entry"])
    for name, fill in questions(samples).items():
        caller.get("/v1/audit", **fill())
        times = [caller.get("/v1/audit", **fill())[1] for _ in range(chosen.rounds)]
        p99 = percentile(times, 0.99)
        report.line(f"first page: {name}", f"{statistics.median(times):.1f}/{p99:.1f}", "ms p50/p99", f"< {QUERY_P99_MS}", p99 < QUERY_P99_MS)
    for name, path in (("inclusion", lambda: ("/v1/audit/proof", {"entry": random.randrange(size)})),
                       ("consistency", lambda: ("/v1/audit/consistency", {"from": random.randrange(1, size)}))):
        asked = [path() for _ in range(200)]
        times = [caller.get(target, **query)[1] for target, query in asked]
        p99 = percentile(times, 0.99)
        report.line(f"proof: {name}", f"{statistics.median(times):.1f}/{p99:.1f}", "ms p50/p99", f"< {PROOF_P99_MS}", p99 < PROOF_P99_MS)
    export = os.path.join(folder, "log.ndjson")
    for name, path in (("whole log", "/v1/audit/export"), ("a question", "/v1/audit?format=ndjson&environment=production&order=oldest")):
        with open(export if name == "whole log" else os.devnull, "wb") as file:
            lines, seconds = caller.drain(path, file)
        rate = lines / seconds
        report.line(f"NDJSON: {name}, {lines:,} lines", f"{rate:,.0f}", "/s", f"≥ {EXPORT_RATE:,}", rate >= EXPORT_RATE)
    with open(f"/proc/{service.process.pid}/status", encoding="ascii") as file:
        peak = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) // 1024
    report.line("service's memory at its peak", str(peak), "MiB", f"< {EXPORT_MIB}", peak < EXPORT_MIB)
    key = os.path.join(service.data, "checkpoint-key.pub")
    start = time.perf_counter()
    answer = subprocess.run([service.binary, "audit", "verify", "--export", export, "--key", key], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if answer.returncode:
        raise BenchmarkError(f"verify: {answer.stdout}{answer.stderr}")
    report.line("verification of the export, offline", f"{size / seconds:,.0f}", "/s", f"≥ {VERIFY_RATE:,}", size / seconds >= VERIFY_RATE)
    os.remove(export)
    rate, left = database.append(chosen.seconds)
    report.line("appends, 16 writers", f"{rate:,.0f}", "/s", f"≥ {APPEND_RATE:,}", rate >= APPEND_RATE)
    report.line("without a place a second later", str(left), "entries", "0", left == 0)


def main():
    chosen = options()
    if (chosen.owner_url is None) != (chosen.database_url is None):
        raise BenchmarkError("--owner-url and --database-url go together")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="shiplift-bench-") as folder:
        os.chmod(folder, 0o755)
        service = Service(chosen.binary, folder)
        os.mkdir(service.policies)
        with open(os.path.join(service.policies, "environments.yaml"), "w", encoding="utf-8") as file:
            file.write(POLICY)
        settings = {"SHIPLIFT_PROBE_REGISTRIES": "false", "SHIPLIFT_MIGRATIONS": os.path.join(REPOSITORY, "Migrations")}
        if chosen.owner_url:
            settings |= {"DATABASE_URL": chosen.database_url, "DATABASE_OWNER_URL": chosen.owner_url}
        service.launch(settings)
        try:
            inside = f"postgres://shiplift_admin@/shiplift?host={service.data}/postgres/socket"
            database = Database(chosen.owner_url or inside)
            database.seed(chosen.size)
            measure(service, database, chosen, report, folder)
        finally:
            service.stop()
    if report.missed:
        sys.exit("missed: " + "; ".join(report.missed))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
