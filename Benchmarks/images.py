"""Images for the benchmark: random, incompressible, and the same for the same name."""

import functools
import hashlib
import json
import random
import urllib.parse
from dataclasses import dataclass, field

from processes import BenchmarkError

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# Layers begin as gzip does, so that no tool tries to compress what is announced as compressed.
GZIP = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
WINDOW = 1 << 20


@functools.cache
def _noise():
    return memoryview(random.Random("shiplift").randbytes(16 * WINDOW))


def _chunks(name, size):
    """Windows of the noise at random places, behind a head of the blob's own: no two blobs share a digest."""
    head = (GZIP + hashlib.sha256(name.encode()).digest())[:size]
    yield head
    left = size - len(head)
    places = random.Random(name)
    while left:
        place = places.randrange(len(_noise()) - WINDOW)
        piece = _noise()[place:place + min(WINDOW, left)]
        yield piece
        left -= len(piece)


@dataclass(frozen=True)
class Blob:
    """A layer (made anew each time it is read) or a config (kept)."""

    digest: str
    size: int
    media_type: str
    name: str = ""
    data: bytes = b""

    def chunks(self):
        return iter([self.data]) if self.data else _chunks(self.name, self.size)

    def descriptor(self):
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, with what it names."""

    data: bytes
    media_type: str
    blobs: list = field(default_factory=list)
    children: list = field(default_factory=list)

    @property
    def digest(self):
        return _digest(self.data)

    def all_blobs(self):
        """The blobs of the whole tree, each once."""
        found = {blob.digest: blob for blob in self.blobs}
        for child in self.children:
            found.update((blob.digest, blob) for blob in child.all_blobs())
        return list(found.values())


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def layer(name, size):
    digest = hashlib.sha256()
    for chunk in _chunks(name, size):
        digest.update(chunk)
    return Blob("sha256:" + digest.hexdigest(), size, LAYER, name)


def image(name, layers, architecture="amd64"):
    """An image of one platform. The config names the image: no two images share it."""
    config = _json({
        "architecture": architecture, "os": "linux", "config": {"Labels": {"benchmark": name}},
        "rootfs": {"type": "layers", "diff_ids": [each.digest for each in layers]}})
    blob = Blob(_digest(config), len(config), CONFIG, data=config)
    data = _json({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": blob.descriptor(),
        "layers": [each.descriptor() for each in layers]})
    return Manifest(data, MANIFEST, [blob, *layers])


def index(children):
    """An index of images, by architecture."""
    data = _json({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [
            {"mediaType": MANIFEST, "digest": child.digest, "size": len(child.data),
             "platform": {"architecture": architecture, "os": "linux"}}
            for architecture, child in children.items()]})
    return Manifest(data, INDEX, children=list(children.values()))


class Pusher:
    """Brings images into a registry over its API, each blob once; further repositories mount it."""

    def __init__(self, registry):
        self.registry = registry
        self.connection = registry.connection()

    def push(self, repository, manifest, tag):
        for child in manifest.children:
            self.push(repository, child, child.digest)
        for blob in manifest.blobs:
            self._bring(repository, blob)
        self._request(
            "PUT", f"/v2/{repository}/manifests/{tag}", 201, manifest.data, {"Content-Type": manifest.media_type})

    def close(self):
        self.connection.close()

    def _bring(self, repository, blob):
        holders = self.registry.held.setdefault(blob.digest, [])
        if repository in holders:
            return
        if holders:
            query = urllib.parse.urlencode({"mount": blob.digest, "from": holders[0]})
            self._request("POST", f"/v2/{repository}/blobs/uploads/?{query}", 201)
        else:
            location = self._request("POST", f"/v2/{repository}/blobs/uploads/", 202)
            target = urllib.parse.urlsplit(location)
            query = target.query + ("&" if target.query else "") + urllib.parse.urlencode({"digest": blob.digest})
            self._request("PUT", f"{target.path}?{query}", 201, blob.chunks(), {
                "Content-Type": "application/octet-stream", "Content-Length": str(blob.size)})
        holders.append(repository)

    def _request(self, method, path, expected, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != expected:
            raise BenchmarkError(f"{self.registry.name} answered {response.status} to {method} {path[:120]}: {answer[:200]!r}")
        return response.getheader("Location", "")
