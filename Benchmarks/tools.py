"""The peers: the command lines that give each of them its best."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field

from measure import Command
from processes import program


@dataclass(frozen=True)
class Job:
    """What a tool is to do: bring items from the source to each target, `at_once` at a time or all in one call."""

    items: list
    source: str                 # HOST/PREFIX
    targets: list               # HOST/PREFIX each
    environments: tuple         # the same places by Shiplift's names
    at_once: int = 1
    one_call: bool = False

    def pairs(self):
        return [
            (f"{self.source}/{item.image}:{item.tag}", f"{target}/{item.image}:{item.tag}")
            for item in self.items for target in self.targets]

    def repository_pair(self):
        """Source and target where all items are tags of one repository and there is one target."""
        (image,) = {item.image for item in self.items}
        (target,) = self.targets
        return f"{self.source}/{image}", f"{target}/{image}"


@dataclass
class Tool:
    """A command-line copier. It has a home of its own, empty before each run."""

    slug: str
    name: str
    program: str
    version_argv: list
    copy_argv: list
    prefix: str = ""
    # For all tags of a repository in one command; none where there is no such command.
    repository_argv: list = field(default_factory=list)
    repository_target_is_parent: bool = False
    keeps_cache: bool = False
    servers: tuple = ()
    settle: float = 0.0
    remembers_seconds: float = 0.0
    home: str = ""

    def version(self):
        answer = subprocess.run([self.program, *self.version_argv], capture_output=True, text=True, check=False)
        lines = [line.strip() for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
        return next((line for line in lines if any(character.isdigit() for character in line)), lines[0] if lines else "unknown")

    def is_there(self):
        return shutil.which(self.program) is not None

    def forget(self, home):
        """A new home: no cache, no configuration."""
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)
        self.home = home

    def environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.home, "XDG_DATA_HOME": f"{self.home}/data",
            "XDG_RUNTIME_DIR": self.home, "DOCKER_CONFIG": self.home, "REGCTL_CONFIG": f"{self.home}/regctl.json",
            # As root, skopeo has one cache for the whole machine; as anybody else, one in the home.
            "_CONTAINERS_ROOTLESS_UID": "1000"}

    def command(self, job):
        """The command for a job; `None` where the tool has none."""
        if job.one_call:
            return self._repository(job)
        pairs = [[self.prefix + place for place in pair] for pair in job.pairs()]
        argv = [self.program, *self.copy_argv, *self.hosts(job)]
        if len(pairs) == 1:
            return Command([*argv, *pairs[0]], self.environment())
        return in_parallel(argv, [" ".join(pair) for pair in pairs], job.at_once, self.environment())

    def hosts(self, job):
        """Arguments that tell the tool that the registries speak plain HTTP, where they depend on the hosts."""
        return []

    def _repository(self, job):
        if not self.repository_argv:
            return None
        source, target = job.repository_pair()
        if self.repository_target_is_parent:
            target = os.path.dirname(target)
        return Command([self.program, *self.repository_argv, source, target], self.environment())


class Regctl(Tool):
    """regctl is told of plain HTTP host by host."""

    def hosts(self, job):
        hosts = dict.fromkeys(place.split("/")[0] for place in [job.source, *job.targets])
        return [argument for host in hosts for argument in ("--host", f"reg={host},tls=disabled")]


def in_parallel(argv, lines, at_once, env):
    """The command once for each line, so many at a time."""
    return Command([program("xargs", "findutils"), "-P", str(at_once), "-L", "1", *argv], env, lines, parallel=True)


def peers():
    """All peers that the benchmark knows, there or not."""
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    copy = ["copy", "--quiet", "--insecure-policy", "--all", "--preserve-digests", *plain]
    skopeo = ("skopeo", ["--version"], copy, "docker://")
    return [
        Tool("skopeo", "skopeo", *skopeo),
        Tool("skopeo-warm", "skopeo, warm cache", *skopeo, keeps_cache=True),
        Tool("skopeo-sync", "skopeo sync", *skopeo, repository_target_is_parent=True,
             repository_argv=["sync", "--insecure-policy", "--all", "--preserve-digests", "--src", "docker", "--dest", "docker", *plain]),
        Tool("crane", "crane -j8", "crane", ["version"], ["copy", "--insecure", "-j", "8"],
             repository_argv=["copy", "--insecure", "-j", "8", "--all-tags"]),
        Regctl("regctl", "regctl", "regctl", ["version"], ["image", "copy"]),
        Tool("oras", "oras -c8", "oras", ["version"],
             ["cp", "--no-tty", "--from-plain-http", "--to-plain-http", "--concurrency", "8"]),
    ]
