"""Real registry servers on the loopback interface, and what their own access logs tell."""

import http.client
import os
import re
import shutil
import time
import urllib.parse
from dataclasses import dataclass

import processes

LINE = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[0-9.]+" (?P<status>\d{3}) (?P<size>\d+|-)')
BLOB_UPLOAD = re.compile(r"^/v2/(?P<repository>.+)/blobs/uploads/")
BLOB = re.compile(r"^/v2/(?P<repository>.+)/blobs/[a-z0-9]+:[0-9a-f]+$")
MANIFEST_TYPES = ", ".join([
    "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json"])


@dataclass(frozen=True)
class Request:
    """A line of an access log."""

    method: str
    path: str
    digest: str
    status: int
    size: int

    @staticmethod
    def parse(line):
        found = LINE.search(line)
        if found is None:
            return None
        target = urllib.parse.urlsplit(found["target"])
        digest = urllib.parse.parse_qs(target.query).get("digest", [""])[0]
        return Request(found["method"], target.path, digest, int(found["status"]), int(found["size"].replace("-", "0")))

    def is_in(self, prefix):
        return self.path.startswith(f"/v2/{prefix}/")

    @property
    def served_blob_bytes(self):
        return self.size if self.method == "GET" and self.status < 300 and BLOB.match(self.path) else 0

    @property
    def uploaded_blob(self):
        """The digest of the blob whose upload this request completed."""
        return self.digest if self.method in ("PUT", "POST") and self.status == 201 and BLOB_UPLOAD.match(self.path) else ""


@dataclass(frozen=True)
class Traffic:
    """What a registry did since a mark."""

    requests: list
    read_bytes: int

    @property
    def received_bytes(self):
        """Bytes that came in: what the process read, less what it read from its own storage to serve it."""
        return max(0, self.read_bytes - sum(request.size for request in self.requests if request.method == "GET"))


class Registry:
    """One docker-registry process with its storage, its access log and its port."""

    def __init__(self, name, folder, storage):
        self.name = name
        self.storage = os.path.join(storage, name)
        self.access_log = os.path.join(folder, f"{name}.access.log")
        self.error_log = os.path.join(folder, f"{name}.error.log")
        self.configuration = os.path.join(folder, f"{name}.yml")
        self.host = f"127.0.0.1:{processes.free_port()}"
        self.process = None
        self.held = {}

    def start(self):
        os.makedirs(self.storage)
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(
                "version: 0.1\n"
                "log: { level: error, accesslog: { disabled: false } }\n"
                f"storage: {{ filesystem: {{ rootdirectory: {self.storage}, maxthreads: 100 }},"
                " delete: { enabled: true }, maintenance: { uploadpurging: { enabled: false } } }\n"
                f"http: {{ addr: {self.host}, secret: benchmark }}\n")
        with open(self.access_log, "ab") as out, open(self.error_log, "ab") as errors:
            argv = [processes.program("docker-registry", "docker-registry"), "serve", self.configuration]
            self.process = processes.start(argv, out, errors)
        processes.wait_until(self._answers, self.process, f"registry {self.name} (see {self.error_log})", 20)

    def stop(self):
        if self.process is not None:
            processes.stop(self.process)
        shutil.rmtree(self.storage, ignore_errors=True)

    def wipe(self):
        """Empties the registry; the server keeps nothing in memory."""
        shutil.rmtree(os.path.join(self.storage, "docker"), ignore_errors=True)
        self.held.clear()

    def connection(self):
        return http.client.HTTPConnection(self.host, timeout=600)

    def digest(self, repository, tag):
        """The digest that a tag names, asked of the registry itself; empty where there is none."""
        connection = self.connection()
        try:
            connection.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST_TYPES})
            response = connection.getresponse()
            response.read()
            return response.getheader("Docker-Content-Digest", "") if response.status == 200 else ""
        finally:
            connection.close()

    def mark(self):
        """The place from which `since` tells."""
        self._settle()
        return os.path.getsize(self.access_log), self._read_bytes()

    def since(self, mark):
        self._settle()
        offset, read = mark
        with open(self.access_log, encoding="utf-8", errors="replace") as file:
            file.seek(offset)
            requests = [request for request in map(Request.parse, file) if request is not None]
        return Traffic(requests, self._read_bytes() - read)

    def _settle(self):
        """A line is written after its answer was sent: wait until no more come."""
        size, deadline = -1, time.monotonic() + 2
        while time.monotonic() < deadline and size != os.path.getsize(self.access_log):
            size = os.path.getsize(self.access_log)
            time.sleep(0.05)

    def _read_bytes(self):
        with open(f"/proc/{self.process.pid}/io", encoding="ascii") as file:
            return int(file.readline().split()[1])

    def _answers(self):
        try:
            connection = self.connection()
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
        except OSError:
            return False
