#!/usr/bin/env python3
"""Holds the running service against openapi.yaml with schemathesis: thousands of requests, valid and not, single and in sequences.

    Tests/Contract/run.py

Everything is real: the built service with its private PostgreSQL, two registries with images, promotions that have ended, wait and are denied.
SHIPLIFT_BINARY names the executable; CONTRACT_EXAMPLES (default 60) cases for each operation; CONTRACT_SEED; CONTRACT_CASES (default 5000), the least
number of cases. What browsers do under /auth needs an issuer and is tested elsewhere. Exit status 1 where a check fails or too few cases were run.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BINARY = os.environ.get("SHIPLIFT_BINARY", str(ROOT / ".build/debug/shiplift"))
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "60"))
SEED = os.environ.get("CONTRACT_SEED", "20260301")
LEAST_CASES = int(os.environ.get("CONTRACT_CASES", "5000"))


def schemathesis():
    """The command in an environment of its own, made once for each version."""
    requirements = HERE / "requirements.txt"
    folder = ROOT / ".build" / ("contract-" + hashlib.sha256(requirements.read_bytes()).hexdigest()[:12])
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], check=True)
        (folder / "ready").touch()
    return folder / "bin/schemathesis"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def send(method, url, body=None, headers=None):
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def wait_for(url):
    for _ in range(600):
        try:
            if send("GET", url)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"contract: {url} does not answer")


def push(registry, repository, tag, label):
    """A small image."""
    def blob(content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        status, headers, _ = send("POST", f"{registry}/v2/{repository}/blobs/uploads/")
        assert status == 202, status
        place = headers["Location"]
        status, _, _ = send("PUT", place + ("&" if "?" in place else "?") + "digest=" + digest, content, {"Content-Type": "application/octet-stream"})
        assert status == 201, status
        return {"digest": digest, "size": len(content)}

    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"n": label}}, "rootfs": {"type": "layers", "diff_ids": []}}).encode())
    layer = blob(label.encode() * 100)
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}],
    }
    status, _, _ = send("PUT", f"{registry}/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), {"Content-Type": manifest["mediaType"]})
    assert status == 201, status


def start_registry(work, name, started):
    port = free_port()
    (work / f"{name}.yml").write_text(
        f"version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {work}/{name} }}, delete: {{ enabled: true }} }}\n"
        f"http: {{ addr: 127.0.0.1:{port}, secret: contract }}\n")
    log = open(work / f"{name}.log", "wb")
    started.append(subprocess.Popen(["docker-registry", "serve", str(work / f"{name}.yml")], stdout=log, stderr=log))
    wait_for(f"http://127.0.0.1:{port}/v2/")
    return f"http://127.0.0.1:{port}"


def start_service(binary, work, started, settings):
    """The service with a private PostgreSQL and the policies in the work folder, its address and its first token."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(work), "SHIPLIFT_DATA": str(work / "data"), "SHIPLIFT_POLICIES": str(work / "policies"),
        "SHIPLIFT_LISTEN": f"127.0.0.1:{port}", "SHIPLIFT_RATE_LIMIT": "off", "SHIPLIFT_MIGRATIONS": str(ROOT / "Migrations"),
        "SHIPLIFT_CONTRACT": str(ROOT / "openapi.yaml"), **settings,
    }
    log = open(work / "service.log", "wb")
    service = subprocess.Popen([binary, "serve"], env=environment, stdout=log, stderr=log, cwd=work)
    started.append(service)
    wait_for(f"http://127.0.0.1:{port}/readyz")
    return service, f"http://127.0.0.1:{port}", (work / "data/admin-token").read_text().strip()


def stop(started):
    for process in reversed(started):
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def policies(folder, first, second):
    folder.mkdir()
    (folder / "environments.yaml").write_text(f"""version: 1
kind: Environments
environments:
  - {{ name: dev, registries: [{{ name: dev, url: "{first}", plainHTTP: true, repository: "dev/{{image}}" }}] }}
  - {{ name: test, registries: [{{ name: test, url: "{first}", plainHTTP: true, repository: "test/{{image}}" }}] }}
  - {{ name: production, registries: [{{ name: production, url: "{second}", plainHTTP: true, repository: "{{image}}" }}] }}
""")
    (folder / "to-test.yaml").write_text("version: 1\nkind: Policy\nname: to-test\nmatch: { images: ['**'], from: dev, to: test }\n")
    (folder / "to-production.yaml").write_text(
        "version: 1\nkind: Policy\nname: to-production\nmatch: { images: ['**'], from: test, to: production }\n"
        "labels: { require: { n: 'three' } }\n")


def main():
    command = schemathesis()
    work = pathlib.Path(tempfile.mkdtemp(prefix="shiplift-contract-"))
    # The private PostgreSQL may belong to another user.
    work.chmod(0o755)
    started = []
    try:
        registries = [start_registry(work, name, started) for name in ("first", "second")]
        for tag, label in (("1.0.0", "one"), ("1.4.2", "two"), ("1.2.0", "three")):
            push(registries[0], "dev/shop/api", tag, label)
        policies(work / "policies", *registries)
        service, base, token = start_service(
            BINARY, work, started,
            {"SHIPLIFT_REFUSED_LIMIT": "1000000", "SHIPLIFT_METRICS_ACCESS": "token", "SHIPLIFT_FOREIGN_NAMES": "docker-dev-local=dev docker-test-local=test"})
        bearer = {"Authorization": f"Bearer {token}"}
        ended = None
        for tag, way in (("1.0.0", ("dev", "test")), ("1.2.0", ("dev", "test")), ("1.0.0", ("test", "production")), ("1.2.0", ("test", "production"))):
            status, _, body = send("POST", f"{base}/v1/promotions", {"image": "shop/api", "tag": tag, "from": way[0], "to": way[1]}, {**bearer, "Prefer": "wait=30"})
            assert status == 200, (status, body)
            ended = ended or json.loads(body)["id"]
        status, _, body = send("GET", f"{base}/v1/tokens", headers=bearer)
        own = [item["id"] for item in json.loads(body)["items"]]
        report = work / "report.json"
        run = subprocess.run(
            [command, "--config-file", HERE / "schemathesis.toml", "run", ROOT / "openapi.yaml", "--url", base, "--max-examples", str(EXAMPLES), "--seed", SEED,
             "--exclude-path-regex", "^/auth/", "--report", "json", "--report-json-path", report, *sys.argv[1:]],
            cwd=work,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "CONTRACT_BASE": base, "CONTRACT_TOKEN": token, "CONTRACT_OWN": ",".join(own),
                 "CONTRACT_ENDED": ended, "NO_COLOR": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(run.stdout)
        if service.poll() is not None:
            sys.exit(f"contract: the service ended with {service.returncode}; see {work}/service.log")
        cases = re.search(r"([\d,]+) generated", run.stdout)
        cases = int(cases.group(1).replace(",", "")) if cases else 0
        if run.returncode != 0:
            sys.exit("contract: the service does not keep what openapi.yaml says")
        if cases < LEAST_CASES:
            sys.exit(f"contract: only {cases} cases were run, {LEAST_CASES} are wanted")
        print(f"contract: {cases} cases, 0 failures")
    finally:
        stop(started)
        if not os.environ.get("CONTRACT_KEEP"):
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
