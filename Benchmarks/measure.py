"""What a command costs: wall time, CPU seconds, peak memory; its own, and those of the servers that work for it.

* CPU of a command: the kernel's accounts of it and all its children (wait4). CPU of a server: its process clock before and
  after, to the nanosecond, and the ticks of children that ended in between.
* Peak memory of one process: the kernel's own high-water mark. The command runs under GNU time, since a process inherits the
  mark of whoever started it, and a Python interpreter is larger than some of the tools. Of several processes at once: sampled;
  the private pages of all are added up, pages that they share count once.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

from processes import program

SAMPLE_SECONDS = 0.05
TICKS = os.sysconf("SC_CLK_TCK")
TIME_LIMIT = 600


@dataclass(frozen=True)
class Command:
    """A command with its environment and what it reads."""

    argv: list
    env: dict
    lines: list = field(default_factory=list)
    parallel: bool = False


@dataclass(frozen=True)
class Cost:
    """What one run took. CPU and memory by process name; `client` is the command with its children."""

    wall_s: float
    cpu_s: dict
    peak_mib: dict
    status: int
    errors: str


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def tree(pid):
    """A process and all below it. The commands here start children from their main thread alone."""
    pids = [pid]
    for each in pids:
        pids.extend(int(child) for child in _read(f"/proc/{each}/task/{each}/children").split())
    return pids


def process_cpu(pid):
    """CPU seconds of a living process with all its threads, also those that ended (Linux's clock of another process)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def reaped_cpu(pid):
    """CPU seconds of children that ended and were waited for."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS if len(fields) > 14 else 0.0


def memory_kib(pid):
    """Private, file-backed and shared resident memory."""
    values = {}
    for line in _read(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssFile", "RssShmem", "VmHWM"):
            values[name] = int(value.split()[0])
    return values


def tree_memory_mib(pid):
    parts = [memory_kib(each) for each in tree(pid)]
    shared = sum(max((part.get(name, 0) for part in parts), default=0) for name in ("RssFile", "RssShmem"))
    return (sum(part.get("RssAnon", 0) for part in parts) + shared) / 1024


class Server:
    """A server whose part in a run is told apart: one process, or a process with its children."""

    def __init__(self, name, pid, with_children):
        self.name, self.pid, self.with_children = name, pid, with_children
        self.sampled_mib = 0.0

    def cpu(self):
        if not self.with_children:
            return process_cpu(self.pid)
        pids = tree(self.pid)
        return sum(process_cpu(pid) + reaped_cpu(pid) for pid in pids)

    def begin(self):
        """Forgets the peak so far."""
        self.sampled_mib = 0.0
        if not self.with_children:
            try:
                with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as file:
                    file.write("5")
            except OSError:
                pass  # The mark then covers the server's whole life: an upper bound.
        self.sample()

    def sample(self):
        if self.with_children:
            self.sampled_mib = max(self.sampled_mib, tree_memory_mib(self.pid))

    def peak_mib(self):
        self.sample()
        return self.sampled_mib if self.with_children else memory_kib(self.pid).get("VmHWM", 0) / 1024


class Sampler(threading.Thread):
    """Looks at memory that the kernel keeps no mark of."""

    def __init__(self, client, servers):
        super().__init__(daemon=True)
        self.client, self.servers = client, servers
        self.client_mib = 0.0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            if self.client is not None:
                self.client_mib = max(self.client_mib, tree_memory_mib(self.client))
            for server in self.servers:
                server.sample()


def measure(command, servers=(), settle=0.0):
    """Runs a command to its end.

    `settle`: how long the servers' CPU is counted on after the command's end, so that work put off until then counts too.
    """
    for server in servers:
        server.begin()
    before = {server.name: server.cpu() for server in servers}
    with tempfile.NamedTemporaryFile("w+") as peak, tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as lines:
        lines.write("".join(line + "\n" for line in command.lines))
        lines.seek(0)
        argv = [program("time", "time"), "-o", peak.name, "-f", "%M", *command.argv]
        began = time.monotonic()
        process = subprocess.Popen(
            argv, env=command.env, stdin=lines, stdout=errors, stderr=subprocess.STDOUT, start_new_session=True)
        sampled = [server for server in servers if server.with_children]
        sampler = Sampler(process.pid if command.parallel else None, sampled)
        if command.parallel or sampled:
            sampler.start()
        usage = _wait(process)
        wall = time.monotonic() - began
        sampler.ended.set()
        peaks = {server.name: server.peak_mib() for server in servers}
        time.sleep(settle)
        cpu = {server.name: server.cpu() - before[server.name] for server in servers}
        own = [line for line in peak.read().split() if line.isdigit()]
        errors.seek(0)
        return Cost(
            wall_s=wall,
            cpu_s={"client": usage.ru_utime + usage.ru_stime, **cpu},
            peak_mib={"client": max(int(own[-1]) / 1024 if own else 0.0, sampler.client_mib), **peaks},
            status=process.returncode,
            errors="\n".join(errors.read().splitlines()[-4:])[-1000:])


def _wait(process):
    """Waits for the command, which ends with us and with its time limit."""
    alarm = threading.Timer(TIME_LIMIT, os.killpg, (process.pid, signal.SIGKILL))
    alarm.daemon = True
    alarm.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return usage
    finally:
        alarm.cancel()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
