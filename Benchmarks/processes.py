"""Servers and commands of the benchmark: started and stopped by their process id, alone in their session."""

import os
import shutil
import signal
import socket
import subprocess
import time


class BenchmarkError(Exception):
    """Why the benchmark can't go on."""


def program(name, package):
    """The path of a program that the benchmark can't do without."""
    path = shutil.which(name)
    if path is None:
        raise BenchmarkError(f"{name} is missing: apt-get install {package}, or run Scripts/install-dependencies bench")
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(argv, stdout, stderr, env=None, folder="/"):
    """Starts a server. It gets SIGTERM when this process dies, also by SIGKILL: nothing is left running."""
    return subprocess.Popen(
        [program("setpriv", "util-linux"), "--pdeathsig", "TERM", *argv],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=env, cwd=folder, start_new_session=True)


def stop(process, seconds=30):
    """Asks a server to end, and ends it where it doesn't."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(pid, how=signal.SIGINT, seconds=15):
    """Ends a process that is no child of ours."""
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return
        time.sleep(0.2)


def wait_until(ready, process, what, seconds):
    """Polls until `ready()`; fails when the process has ended or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise BenchmarkError(f"{what} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{what} was not ready within {seconds} s")
        time.sleep(0.05)
