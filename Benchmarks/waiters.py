#!/usr/bin/env python3
"""How many may wait at once: clients that listen to events or wait for a promotion's end, and the service's memory meanwhile.

    waiters.py [--clients 5000] [--most-mib 300] [--seconds 20]

Half of the clients listen to GET /v1/promotions/ID/events, half wait with Prefer: wait=600, each on a connection of its own, for promotions that wait for an
approval. After a while one promotion is cancelled: all who wait for it must hear it. Needs the release build; starts all else itself, with a private PostgreSQL
whose memory is not counted. Exit status 1 where a client is turned away or forgotten, or where the service takes more memory than --most-mib.
"""
import argparse
import asyncio
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests/Contract"))
import run as contract  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("SHIPLIFT_BINARY", str(ROOT / ".build/release/shiplift"))


def memory(process):
    """Resident memory of the service alone, now and at most, in bytes."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return found["VmRSS"], found["VmHWM"]


def processor(process):
    """Seconds of processor time so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def client(index, port, token, identifier, counts, ready):
    """One who waits; answers what it heard at the end."""
    listens = index % 2 == 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/v1/promotions/{identifier}" + ("/events" if listens else "")
    prefer = "" if listens else "Prefer: wait=600\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{prefer}Connection: close\r\n\r\n".encode())
    await writer.drain()
    counts["asked"] += 1
    text = b""
    while True:
        try:
            piece = await reader.read(65536)
        except ConnectionError:
            piece = b""
        if not piece:
            break
        if listens and not text:
            counts["listening"] += 1
        text += piece
    writer.close()
    return b'"state":"cancelled"' in text


async def crowd(arguments, service, port, token, identifiers):
    counts = {"asked": 0, "listening": 0}
    ready = asyncio.Event()
    began = time.monotonic()
    tasks = []
    for index in range(arguments.clients):
        tasks.append(asyncio.create_task(client(index, port, token, identifiers[index % len(identifiers)], counts, ready)))
        # As many at once as the listener's backlog bears.
        if index % 50 == 49:
            await asyncio.sleep(0.02)
    while counts["listening"] < arguments.clients // 2 and time.monotonic() - began < 120:
        await asyncio.sleep(0.1)
    print(f"{counts['listening']} listen and {arguments.clients - arguments.clients // 2} wait, after {time.monotonic() - began:.1f} s")
    before = processor(service)
    await asyncio.sleep(arguments.seconds)
    load = (processor(service) - before) / arguments.seconds
    resident, most = memory(service)
    print(f"the service: {resident / 2**20:.0f} MiB resident, {most / 2**20:.0f} MiB at most, {load * 100:.0f} % of a processor")
    began = time.monotonic()
    for identifier in identifiers:
        status, _, body = await asyncio.to_thread(
            contract.send, "POST", f"http://127.0.0.1:{port}/v1/promotions/{identifier}/cancel", None, {"Authorization": f"Bearer {token}"})
        assert status in (200, 202), (status, body)
    heard = await asyncio.wait_for(asyncio.gather(*tasks), 120)
    print(f"{sum(heard)} of {arguments.clients} heard the end, within {time.monotonic() - began:.1f} s")
    _, most = memory(service)
    print(f"the service at most: {most / 2**20:.0f} MiB")
    return all(heard) and most <= arguments.most_mib * 2**20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--most-mib", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=20)
    arguments = parser.parse_args()
    wanted = arguments.clients * 2 + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    work = pathlib.Path(tempfile.mkdtemp(prefix="shiplift-api-"))
    work.chmod(0o755)
    started = []
    try:
        registry = contract.start_registry(work, "registry", started)
        for number in range(4):
            contract.push(registry, "dev/shop/api", f"1.{number}.0", f"image {number}")
        folder = work / "policies"
        folder.mkdir()
        (folder / "environments.yaml").write_text(f"""version: 1
kind: Environments
groups:
  managers: [{{ issuer: shiplift, claims: {{ groups: managers }} }}]
environments:
  - {{ name: dev, registries: [{{ name: dev, url: "{registry}", plainHTTP: true, repository: "dev/{{image}}" }}] }}
  - {{ name: test, registries: [{{ name: test, url: "{registry}", plainHTTP: true, repository: "test/{{image}}" }}] }}
""")
        (folder / "p.yaml").write_text(
            "version: 1\nkind: Policy\nname: p\nmatch: { images: ['**'], from: dev, to: test }\ngates:\n  - approvals: { count: 1, from: [managers] }\n")
        service, base, token = contract.start_service(BINARY, work, started, {})
        port = int(base.rsplit(":", 1)[1])
        identifiers = []
        for number in range(4):
            status, _, body = contract.send(
                "POST", f"{base}/v1/promotions", {"image": "shop/api", "tag": f"1.{number}.0", "from": "dev", "to": "test"}, {"Authorization": f"Bearer {token}"})
            assert status == 202, (status, body)
            identifiers.append(json.loads(body)["id"])
        time.sleep(2)
        print(f"before: {memory(service)[0] / 2**20:.0f} MiB")
        if not asyncio.run(crowd(arguments, service, port, token, identifiers)):
            sys.exit("waiters: somebody was forgotten, or it takes too much memory")
    finally:
        contract.stop(started)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
