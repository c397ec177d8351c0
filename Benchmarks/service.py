"""Shiplift itself: a running service with its private PostgreSQL, and the command that asks it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import cases
import processes
from measure import Command, Server
from processes import BenchmarkError
from tools import Tool, in_parallel

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ONE_CALL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "one_call.py")


class Service:
    """`shiplift serve` with its database in a folder of its own, on disk, as at a user's."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.log = os.path.join(folder, "service.log")
        self.policies = os.path.join(folder, "policies")
        self.data = os.path.join(folder, "data")
        os.mkdir(self.data, 0o755)
        self.url = f"http://127.0.0.1:{processes.free_port()}"
        self.process = None

    def start(self, hosts, far_hosts):
        """`hosts` and `far_hosts`: HOST:PORT by the registry's letter, as reached directly and through the slow proxy."""
        write_policies(self.policies, hosts, far_hosts)
        # A probe's and a scan's requests would be counted with the promotions'.
        self.launch({"SHIPLIFT_PROBE_REGISTRIES": "false", "SHIPLIFT_SCAN_REGISTRIES": "false"})

    def launch(self, settings):
        """`settings`: environment variables. The policies are written before."""
        argv = [
            self.binary, "serve", "--listen", self.url.removeprefix("http://"), "--data", self.data, "--policies", self.policies]
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.data, **settings}
        with open(self.log, "ab") as log:
            # Elsewhere than in a checkout, the service takes the migrations that lie above its binary.
            self.process = processes.start(argv, log, log, env, folder=self.data)
        processes.wait_until(self._is_ready, self.process, f"the service (see {self.log})", 120)

    def stop(self):
        """The service stops its own PostgreSQL; where it did not, we do."""
        if self.process is not None:
            processes.stop(self.process)
        postmaster = self._postmaster()
        if postmaster is not None:
            processes.end(postmaster)

    def servers(self):
        """Whose CPU and memory count as Shiplift's, besides the command's."""
        postmaster = self._postmaster()
        if postmaster is None:
            raise BenchmarkError("the service's private PostgreSQL is not running")
        return (
            Server("service", self.process.pid, with_children=False),
            Server("postgresql", postmaster, with_children=True))

    def tool(self):
        # The audit log is put in order within a second after the act: that work is waited for and counted.
        # A tag that was looked at is not looked at again for five seconds: repeated promotions are told apart from that.
        return Shiplift(
            "shiplift", "Shiplift", self.binary, ["--version"], ["promote", "--wait", "--timeout", "1800"],
            servers=self.servers(), settle=1.2, remembers_seconds=6, url=self.url,
            token_file=os.path.join(self.data, "admin-token"))

    def _postmaster(self):
        try:
            with open(os.path.join(self.data, "postgres/cluster/postmaster.pid"), encoding="utf-8") as file:
                pid = int(file.readline())
        except (OSError, ValueError):
            return None
        return pid if processes.is_alive(pid) else None

    def _is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Shiplift(Tool):
    """The command line against the running service. What the service remembers is its own: nothing is wiped between runs."""

    def __init__(self, *arguments, url, token_file, **options):
        super().__init__(*arguments, **options)
        self.url, self.token_file = url, token_file

    def version(self):
        folder = os.path.dirname(os.path.abspath(self.program))
        answer = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
        return f"commit {answer.stdout.strip()}" if answer.returncode == 0 else "unknown commit"

    def environment(self):
        return {**super().environment(), "SHIPLIFT_URL": self.url, "SHIPLIFT_TOKEN_FILE": self.token_file}

    def command(self, job):
        source, target = job.environments
        if job.one_call:
            items = [{"image": item.image, "from": source, "to": target, "tag": item.tag} for item in job.items]
            argv = [sys.executable, "-I", "-S", ONE_CALL, self.url, self.token_file]
            return Command(argv, self.environment(), [json.dumps({"items": items})])
        argv = [self.program, *self.copy_argv, "--from", source, "--to", target]
        lines = [f"{item.image}:{item.tag}" for item in job.items]
        if len(lines) == 1:
            return Command([*argv, *lines], self.environment())
        return in_parallel(argv, lines, job.at_once, self.environment())

    def dry_run(self, job):
        source, target = job.environments
        (item,) = job.items
        argv = [self.program, "promote", "--dry-run", "--from", source, "--to", target, f"{item.image}:{item.tag}"]
        return Command(argv, self.environment())


def write_policies(folder, hosts, far_hosts):
    """The environments of all ways, and a policy for each that allows everything."""
    os.makedirs(folder)
    environments = {}
    for way in cases.WAYS:
        reached = far_hosts if way.slow else hosts
        source, target = way.ours
        environments[source] = [(way.source, reached[way.source])]
        environments[target] = [(letter, reached[letter]) for letter in way.targets]
    lines = ["version: 1", "kind: Environments", "environments:"]
    for name, registries in environments.items():
        lines += [f"  - name: {name}", "    registries:"]
        lines += [
            f'      - {{ name: {name}-{letter}, url: "http://{host}", plainHTTP: true,'
            f' repository: "{name}/{{image}}", limits: {{ concurrency: 64 }} }}'
            for letter, host in registries]
    _write(folder, "environments.yaml", lines)
    for source, target in sorted({way.ours for way in cases.WAYS}):
        _write(folder, f"{source}-to-{target}.yaml", [
            "version: 1", "kind: Policy", f"name: {source}-to-{target}",
            f'match: {{ images: ["**"], from: {source}, to: {target} }}',
            # The peers carry the image alone.
            "referrers: none"])


def _write(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def idle(servers, seconds=5):
    """What the service costs while nobody asks for anything."""
    before = {server.name: server.cpu() for server in servers}
    for server in servers:
        server.begin()
    time.sleep(seconds)
    return {
        server.name: {"cpu_s_per_s": (server.cpu() - before[server.name]) / seconds, "memory_mib": server.peak_mib()}
        for server in servers}
