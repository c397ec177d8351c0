"""The cases: which images, on which way, promoted how, by whom, how often."""

import re
from dataclasses import dataclass, field
from typing import Callable

import workloads

OURS = ["shiplift"]
PEERS = ["skopeo", "crane", "regctl", "oras"]
EVERYONE = [*OURS, *PEERS]
# A fresh skopeo sends every byte inside one registry; with the cache of an earlier copy it mounts.
WITH_WARM_CACHE = [*OURS, "skopeo-warm", *PEERS]


@dataclass(frozen=True)
class Way:
    """From where to where. Registries by letter: a is the source; b, c, d are targets; disk is a source not in memory."""

    source: str
    targets: tuple
    # The environments that Shiplift knows these registries by.
    ours: tuple
    slow: bool = False

    @property
    def is_inside(self):
        return self.targets == (self.source,)


ACROSS = Way("a", ("b",), ("dev", "production"))
INSIDE = Way("a", ("a",), ("dev", "test"))
REGIONS = Way("a", ("b", "c", "d"), ("dev", "world"))
ACROSS_SLOW = Way("a", ("b",), ("far-dev", "far-production"), slow=True)
INSIDE_SLOW = Way("a", ("a",), ("far-dev", "far-test"), slow=True)
FROM_DISK = Way("disk", ("b",), ("archive", "production"))
WAYS = [ACROSS, INSIDE, REGIONS, ACROSS_SLOW, INSIDE_SLOW, FROM_DISK]


@dataclass(frozen=True)
class Case:
    """One line of the comparison."""

    name: str
    words: str
    make: Callable
    way: Way
    tools: list = field(default_factory=lambda: EVERYONE)
    runs: int = 5
    # The same promotion once before, not measured.
    again: bool = False
    # A dry run of the same promotion before: the manifests are known.
    dry_run: bool = False
    # All in one request or command.
    one_call: bool = False
    # Copies at once, where there are several.
    at_once: int = 8
    # What the registries in memory and on disk hold at most, in MiB (full sizes).
    memory_mib: int = 700
    disk_mib: int = 0

    @property
    def slug(self):
        """The name as a part of a repository's name."""
        return "-".join(re.findall("[a-z0-9]+", self.name.lower()))


CASES = [
    Case("big cold", "one layer of 1 GiB into an empty registry", workloads.big, ACROSS, memory_mib=2200),
    Case("layers cold", "50 layers of 4 MiB into an empty registry", workloads.layers, ACROSS),
    Case("multi cold", "index of 6 platforms with 8 layers of 2 MiB each into an empty registry", workloads.multi, ACROSS),
    Case("layers mount", "the same 50 layers to another repository of the same registry", workloads.layers, INSIDE, WITH_WARM_CACHE),
    Case("multi mount", "the same 6 platforms to another repository of the same registry", workloads.multi, INSIDE, WITH_WARM_CACHE),
    Case("multi mount, known", "as before; a dry run has read the manifests", workloads.multi, INSIDE, OURS, dry_run=True),
    Case("layers again", "50 layers, all is there already", workloads.layers, ACROSS, again=True),
    Case("family, tag by tag", "200 tags of one repository: 10 shared layers of 8 MiB, one of 64 KiB each; 8 commands at a time",
         workloads.family, ACROSS, runs=3),
    Case("family, one call", "the same 200 tags in one request or command", workloads.family, ACROSS,
         ["shiplift", "skopeo-sync", "crane"], runs=3, one_call=True),
    Case("monorepo", "tag v0 of 40 repositories, whose 10 layers of 8 MiB the target holds in another repository; 8 at a time",
         workloads.monorepo, ACROSS, WITH_WARM_CACHE, runs=3),
    Case("regions", "50 layers of 4 MiB into three empty registries", workloads.layers, REGIONS, at_once=3, memory_mib=1000),
    Case("layers cold, 20 ms", "each request takes 20 ms longer", workloads.layers, ACROSS_SLOW),
    Case("layers mount, 20 ms", "each request takes 20 ms longer", workloads.layers, INSIDE_SLOW, WITH_WARM_CACHE),
    Case("multi mount, 20 ms", "each request takes 20 ms longer", workloads.multi, INSIDE_SLOW, WITH_WARM_CACHE, runs=3),
    *[
        Case(f"memory, {size}", f"one layer of {size} from disk into an empty registry in memory",
             workloads.one_layer(lambda sizes, size=size: sizes.memory[size]), FROM_DISK, runs=3,
             memory_mib=100 + workloads.FULL.memory[size] // workloads.MIB,
             disk_mib=100 + workloads.FULL.memory[size] // workloads.MIB)
        for size in workloads.FULL.memory
    ],
]
