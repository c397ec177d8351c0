#!/usr/bin/env python3
"""How many requests the API answers: wrk against the service, with a bare Hummingbird route beside each figure.

    make bench-api
    python3 Benchmarks/api.py --seconds 5 --rounds 3 --only read

Reads are one indexed query each. A POST makes a promotion of its own, committed to disk with its work item, its event and its
audit entry before it is answered; workers stand still meanwhile (a freeze keeps the promotions waiting).
The command ends with status 1 where a bar is missed.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import images
import processes
from processes import BenchmarkError
from registries import Registry
from service import REPOSITORY, Service

CONNECTIONS = 64
READ_BAR, READ_P99_MS, POST_BAR = 8000, 20, 1000
POST_SCRIPT = """
local threads, counter = 0, 0
function setup(thread) threads = threads + 1; thread:set("number", threads) end
function request()
  counter = counter + 1
  return wrk.format("POST", nil, {["Authorization"] = "Bearer %(token)s", ["Content-Type"] = "application/json"},
    string.format(%(body)s, %(round)d, number, counter))
end
"""


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="length of each run (at most 30)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, interleaved; medians are shown")
    parser.add_argument("--only", choices=["read", "post"], help="only these")
    parser.add_argument("--binary", default=os.path.join(REPOSITORY, ".build/release/shiplift"))
    parser.add_argument("--bare", default=os.path.join(REPOSITORY, ".build/release/bare-route"))
    parsed = parser.parse_args()
    if not 1 <= parsed.seconds <= 30 or not 1 <= parsed.rounds <= 9:
        parser.error("--seconds 1 to 30, --rounds 1 to 9")
    return parsed


def wrk(url, seconds, token=None, script=None):
    """Requests per second, the 99th percentile in milliseconds, and how many answers were no success."""
    argv = [processes.program("wrk", "wrk"), "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    if token:
        argv[1:1] = ["-H", f"Authorization: Bearer {token}"]
    if script:
        argv[1:1] = ["-s", script]
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60, check=False)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", answer.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", answer.stdout)
    if answer.returncode or not rate or not p99:
        raise BenchmarkError(f"wrk {url}: {answer.stdout}{answer.stderr}")
    broken = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", answer.stdout))
    broken += sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout) (\d+)", answer.stdout))
    return float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]], broken


def call(service, token, path, body=None):
    request = urllib.request.Request(service.url + path, json.dumps(body).encode() if body else None)
    request.add_header("Authorization", f"Bearer {token}")
    if body:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def write_policies(folder, host):
    os.makedirs(folder)
    documents = {
        "environments.yaml": ["version: 1", "kind: Environments", "environments:"] + [
            f'  - {{ name: {name}, registries: [{{ name: {name}, url: "http://{host}", plainHTTP: true, repository: "{name}/{{image}}" }}] }}'
            for name in ("dev", "test", "production")],
        "dev-to-test.yaml": [
            "version: 1", "kind: Policy", "name: dev-to-test", 'match: { images: ["**"], from: dev, to: test }'],
        # Nothing gets further than its decision: what is measured is how promotions are taken in.
        "dev-to-production.yaml": [
            "version: 1", "kind: Policy", "name: dev-to-production", 'match: { images: ["**"], from: dev, to: production }',
            "gates:", "  - approvals: { count: 1, from: [group:nobody] }"],
    }
    for name, lines in documents.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


@contextlib.contextmanager
def running(arguments, folder):
    """The registry, the service and the bare server."""
    with contextlib.ExitStack() as stack:
        registry = Registry("a", folder, os.path.join(folder, "storage"))
        registry.start()
        stack.callback(registry.stop)
        service = Service(arguments.binary, folder)
        stack.callback(service.stop)
        write_policies(service.policies, registry.host)
        service.launch({"SHIPLIFT_RATE_LIMIT": "off", "SHIPLIFT_CONCURRENCY": "1", "SHIPLIFT_QUEUE_LIMIT": "10000000"})
        port = processes.free_port()
        log = stack.enter_context(open(os.path.join(folder, "bare.log"), "wb"))
        bare = processes.start([arguments.bare, str(port)], log, log)
        stack.callback(processes.stop, bare)
        url = f"http://127.0.0.1:{port}/bare"
        processes.wait_until(lambda: answers(url), bare, "the bare server", 30)
        yield registry, service, url


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def measure(name, runs, rounds):
    """Interleaved: ours, then the yardstick, `rounds` times. `runs`: (ours, bare)."""
    ours, bare = [], []
    for number in range(rounds):
        ours.append(runs[0](number))
        bare.append(runs[1](number))
    rate, p99, bare_rate = (statistics.median(value) for value in ([r[0] for r in ours], [r[1] for r in ours], [r[0] for r in bare]))
    broken = sum(r[2] for r in ours)
    print(f"{name:36} {rate:9.0f} /s  p99 {p99:7.1f} ms   bare {bare_rate:8.0f} /s  ratio {rate / bare_rate:5.3f}   failed {broken}", flush=True)
    return rate, p99, broken


def run(arguments, folder):
    missed = []
    with running(arguments, folder) as (registry, service, bare):
        with open(os.path.join(service.data, "admin-token"), encoding="utf-8") as file:
            token = file.read().strip()
        image = images.image("api", [images.layer("api", 65_536)])
        with contextlib.closing(images.Pusher(registry)) as pusher:
            pusher.push("dev/shop/api", image, "1")
        made = call(service, token, "/v1/promotions", {"image": "shop/api", "from": "dev", "to": "test", "tag": "1"})
        done = call(service, token, f"/v1/promotions/{made['id']}")
        query = urllib.parse.urlencode({"image": "shop/api", "environment": "dev"})
        seconds, rounds = arguments.seconds, arguments.rounds
        if arguments.only != "post":
            for name, path in (
                    ("GET /v1/promotions/{id}", f"/v1/promotions/{done['id']}"),
                    ("GET /v1/tags?image=&environment=", f"/v1/tags?{query}"),
                    ("GET /v1/audit?limit=1", "/v1/audit?limit=1")):
                rate, p99, broken = measure(
                    name, (lambda _, p=path: wrk(service.url + p, seconds, token), lambda _: wrk(bare, seconds)), rounds)
                if rate < READ_BAR or p99 >= READ_P99_MS or broken:
                    missed.append(f"{name}: {READ_BAR} /s with p99 < {READ_P99_MS} ms")
        if arguments.only != "read":
            body = json.dumps({"image": "shop/api", "from": "dev", "to": "production", "digest": image.digest, "targetTags": ["r%d-%d-%d"]})
            script = os.path.join(folder, "post.lua")

            def post(number):
                with open(script, "w", encoding="utf-8") as file:
                    file.write(POST_SCRIPT % {"token": token, "body": json.dumps(body), "round": number})
                return wrk(service.url + "/v1/promotions", seconds, script=script)

            def bare_post(number):
                with open(script, "w", encoding="utf-8") as file:
                    file.write(POST_SCRIPT % {"token": token, "body": json.dumps(body), "round": number})
                return wrk(bare, seconds, script=script)

            rate, _, broken = measure("POST /v1/promotions, durable", (post, bare_post), rounds)
            if rate < POST_BAR or broken:
                missed.append(f"POST /v1/promotions: {POST_BAR} /s")
    return missed


def main():
    arguments = options()
    try:
        with tempfile.TemporaryDirectory(prefix="shiplift-api-") as folder:
            os.chmod(folder, 0o755)
            missed = run(arguments, folder)
    except BenchmarkError as error:
        print(f"bench-api: {error}", file=sys.stderr)
        return 2
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
