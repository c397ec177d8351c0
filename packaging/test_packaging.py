"""The Debian package and the systemd unit, as they are: built, unpacked, and started from there.

    SHIPLIFT_BINARY=.build/release/shiplift python3 -m unittest discover -s packaging
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)


def output(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300, **options).stdout


class UnitTests(unittest.TestCase):
    def test_leaves_little_to_an_intruder(self):
        said = output("systemd-analyze", "security", "--offline=true", os.path.join(HERE, "systemd/shiplift.service"))
        exposure = float(re.search(r"Overall exposure level for shiplift.service: ([\d.]+)", said)[1])
        self.assertLessEqual(exposure, 1.5, said)

    def test_every_line_is_known_to_systemd(self):
        unit = os.path.join(HERE, "systemd/shiplift.service")
        said = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
        # That the command is not installed here is no fault of the unit.
        faults = [line for line in (said.stdout + said.stderr).splitlines() if "is not executable" not in line and "shiplift.service" in line]
        self.assertEqual(faults, [])


class PackageTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="shiplift-package-")
        os.chmod(cls.folder, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.package = output(os.path.join(REPOSITORY, "Scripts/build-deb"), cls.folder).splitlines()[-1]
        cls.root = os.path.join(cls.folder, "root")
        output("dpkg-deb", "-x", cls.package, cls.root)
        # Its owner is root: what is unpacked by another user is that user's.
        cls.listing = output("dpkg-deb", "-c", cls.package)

    def test_names_what_it_needs(self):
        control = output("dpkg-deb", "-f", self.package)
        for package in ("libc6", "libcurl4", "libpq5", "libssl3", "ca-certificates"):
            self.assertRegex(control, rf"Depends:.*\b{package}\b")
        self.assertRegex(control, r"Version: \d+\.\d+\.\d+-\d+\n")
        self.assertRegex(control, r"Commit: [0-9a-f]{12}\n")

    def test_holds_all_migrations_and_nothing_that_others_can_write(self):
        there = os.listdir(os.path.join(self.root, "usr/share/shiplift/Migrations"))
        self.assertEqual(sorted(there), sorted(os.listdir(os.path.join(REPOSITORY, "Migrations"))))
        for line in self.listing.splitlines():
            rights, owner = line.split()[:2]
            self.assertEqual(owner, "root/root", line)
            self.assertEqual(rights[5], "-", line)
            self.assertEqual(rights[8], "-", line)

    def test_starts_from_where_it_is_unpacked(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        data, policies = os.path.join(self.folder, "data"), os.path.join(self.folder, "policies")
        os.mkdir(data, 0o755)
        shutil.copytree(os.path.join(self.root, "usr/share/doc/shiplift/examples/Policies"), policies)
        configuration = os.path.join(self.folder, "shiplift.yaml")
        with open(os.path.join(self.root, "etc/shiplift/shiplift.yaml"), encoding="utf-8") as file:
            text = file.read()
        for before, after in (
                ("127.0.0.1:8080", f"127.0.0.1:{port}"), ("/var/lib/shiplift", data), ("/etc/shiplift/policies", policies),
                ("/usr/share/", f"{self.root}/usr/share/")):
            self.assertIn(before, text)
            text = text.replace(before, after)
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(text)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            service = subprocess.Popen(
                [os.path.join(self.root, "usr/bin/shiplift"), "serve", "--config", configuration], stdout=log, stderr=log, cwd="/",
                env={"PATH": "/usr/bin:/bin", "HOME": data})
        try:
            self.assertEqual(self.status(service, f"http://127.0.0.1:{port}/readyz"), 200)
        finally:
            service.send_signal(signal.SIGTERM)
            self.assertEqual(service.wait(60), 0)

    def status(self, service, url):
        deadline = time.monotonic() + 60
        while service.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return answer.status
            except OSError:
                time.sleep(0.2)
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]


if __name__ == "__main__":
    unittest.main()
