"""Whether the benchmark measures what it says.   python3 -m unittest discover -s Benchmarks"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

import bars
import bench
import cases
import chart
import images
import measure
import processes
import report
import service
import tools
import workloads
from registries import Request, Traffic

ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}
DIGEST = "sha256:" + "a" * 64


def logged(method, target, status, size):
    return Request.parse(f'127.0.0.1 - - [25/Nov/2026:13:15:22 +0000] "{method} {target} HTTP/1.1" {status} {size} "" "tool/1.0"\n')


class AccessLog(unittest.TestCase):
    def test_a_completed_upload_names_its_blob(self):
        put = logged("PUT", f"/v2/a/b/blobs/uploads/5b80?_state=x%3D%3D&digest={DIGEST}", 201, 0)
        self.assertEqual(put.uploaded_blob, DIGEST)

    def test_neither_a_mount_nor_an_open_session_nor_a_refusal_is_an_upload(self):
        for line in [
            logged("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=c", 201, 0),
            logged("POST", "/v2/a/b/blobs/uploads/", 202, 0),
            logged("PUT", f"/v2/a/b/blobs/uploads/5b80?digest={DIGEST}", 400, 90),
            logged("PUT", "/v2/a/b/manifests/1.0.0", 201, 0)]:
            self.assertEqual(line.uploaded_blob, "")

    def test_only_blobs_that_were_read_count_as_served(self):
        self.assertEqual(logged("GET", f"/v2/a/b/blobs/{DIGEST}", 200, 4096).served_blob_bytes, 4096)
        self.assertEqual(logged("GET", f"/v2/a/b/blobs/{DIGEST}", 206, 96).served_blob_bytes, 96)
        self.assertEqual(logged("HEAD", f"/v2/a/b/blobs/{DIGEST}", 200, 4096).served_blob_bytes, 0)
        self.assertEqual(logged("GET", "/v2/a/b/manifests/1", 200, 500).served_blob_bytes, 0)

    def test_what_a_registry_read_from_its_own_storage_did_not_arrive(self):
        traffic = Traffic([logged("GET", f"/v2/a/b/blobs/{DIGEST}", 200, 4096), logged("HEAD", f"/v2/a/b/blobs/{DIGEST}", 200, 4096)], 5000)
        self.assertEqual(traffic.received_bytes, 904)

    def test_other_lines_are_no_requests(self):
        self.assertIsNone(Request.parse("time=\"2026\" level=error msg=\"GET\"\n"))


class Images(unittest.TestCase):
    def test_the_same_name_makes_the_same_blob_and_another_name_another(self):
        one, two, other = images.layer("x", 3 << 20), images.layer("x", 3 << 20), images.layer("y", 3 << 20)
        self.assertEqual(one.digest, two.digest)
        self.assertNotEqual(one.digest, other.digest)
        self.assertEqual(sum(len(chunk) for chunk in one.chunks()), 3 << 20)

    def test_sizes_are_those_that_the_cases_promise(self):
        sizes = workloads.Sizes(100, 50, 64, 6, 8, 32, 200, 10, 80, 16, 40, 5, {})
        layers = workloads.layers("n", sizes).promoted[0].manifest
        self.assertEqual(len(layers.all_blobs()), 51)
        multi = workloads.multi("n", sizes).promoted[0].manifest
        self.assertEqual((len(multi.children), len(multi.all_blobs())), (6, 54))
        family = workloads.family("n", sizes)
        self.assertEqual((len(family.promoted), len(family.sizes())), (200, 10 + 200 * 2))
        monorepo = workloads.monorepo("n", sizes)
        self.assertEqual((len(monorepo.promoted), len(monorepo.others), len(monorepo.bases)), (40, 160, 10))
        self.assertTrue(monorepo.bases <= {blob.digest for blob in monorepo.seed[0].manifest.all_blobs()})

    def test_the_full_sizes(self):
        full = workloads.FULL
        self.assertEqual((full.big_layer, full.layers * full.layer), (1 << 30, 200 << 20))
        self.assertEqual(full.platforms * full.platform_layers * full.platform_layer, 96 << 20)
        self.assertEqual(full.bases * full.base * full.repositories, 3200 << 20)


class Measuring(unittest.TestCase):
    def run_python(self, code, **options):
        return measure.measure(measure.Command([sys.executable, "-I", "-S", "-c", code], ENV, **options))

    def test_cpu_time_and_memory_are_the_commands(self):
        cost = self.run_python("import time; b = bytearray(90 << 20); end = time.process_time() + 0.3\nwhile time.process_time() < end: pass")
        self.assertGreaterEqual(cost.cpu_s["client"], 0.3)
        self.assertGreaterEqual(cost.wall_s, 0.3)
        self.assertTrue(90 <= cost.peak_mib["client"] < 130, cost.peak_mib)

    def test_our_own_memory_is_not_taken_for_the_commands(self):
        ballast = bytearray(os.urandom(1 << 20)) * 64
        cost = measure.measure(measure.Command(["/bin/true"], ENV))
        self.assertTrue(0 < cost.peak_mib["client"] < 8, cost.peak_mib)
        self.assertEqual(len(ballast), 64 << 20)

    def test_commands_at_once_are_added_up(self):
        argv = [sys.executable, "-I", "-S", "-c", "import time; b = bytearray(60 << 20); time.sleep(0.8)"]
        cost = measure.measure(tools.in_parallel(argv, ["a", "b", "c"], 3, ENV))
        self.assertTrue(180 <= cost.peak_mib["client"] < 240, cost.peak_mib)

    def test_a_failure_is_told_with_its_words(self):
        cost = self.run_python("raise SystemExit('no such tag')")
        self.assertEqual((cost.status, cost.errors), (1, "no such tag"))

    def test_a_servers_work_is_told_apart_also_that_of_children_that_ended(self):
        with tempfile.TemporaryDirectory() as folder:
            done = os.path.join(folder, "done")
            os.mkfifo(done)
            spin = "import time; e = time.process_time() + 0.2\nwhile time.process_time() < e: pass"
            code = (
                f"import subprocess, sys\nsys.stdin.readline()\nsubprocess.run([sys.executable, '-I', '-S', '-c', {spin!r}])\n"
                f"open({done!r}, 'w').close()\nsys.stdin.readline()")
            with subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE, bufsize=0) as process:
                server = measure.Server("server", process.pid, with_children=True)
                threading.Timer(0.2, process.stdin.write, [b"begin\n"]).start()
                cost = measure.measure(measure.Command(["/bin/cat", done], ENV), [server])
        self.assertTrue(0.2 <= cost.cpu_s["server"] < 0.6, cost.cpu_s)
        self.assertLess(cost.cpu_s["client"], 0.1)
        self.assertGreater(cost.peak_mib["server"], 5)


class SlowProxy(unittest.TestCase):
    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.echo, daemon=True).start()
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "latency.py")
        self.proxy = processes.start([sys.executable, script, "127.0.0.1:%d" % self.listener.getsockname()[1], "60"], subprocess.PIPE, None)
        host, port = self.proxy.stdout.readline().decode().split(":")
        self.client = socket.create_connection((host, int(port)), timeout=20)

    def tearDown(self):
        self.client.close()
        processes.stop(self.proxy)
        self.proxy.stdout.close()
        self.listener.close()

    def echo(self):
        peer, _ = self.listener.accept()
        while data := peer.recv(1 << 16):
            peer.sendall(data)
        peer.close()

    def ask(self, data):
        began = time.monotonic()
        threading.Thread(target=self.client.sendall, args=(data,), daemon=True).start()
        answer = b""
        while len(answer) < len(data):
            answer += self.client.recv(1 << 20)
        return time.monotonic() - began, answer

    def test_each_request_is_late_once(self):
        times = []
        for _ in range(5):
            seconds, answer = self.ask(b"GET /v2/")
            self.assertEqual(answer, b"GET /v2/")
            times.append(seconds)
        # On a busy machine some may be later still.
        self.assertTrue(0.06 <= min(times) < 0.12, times)

    def test_bytes_pass_unchanged_and_the_end_is_passed_on(self):
        data = os.urandom(8 << 20)
        self.assertEqual(self.ask(data)[1], data)
        self.client.shutdown(socket.SHUT_WR)
        self.assertEqual(self.client.recv(1), b"")


class Records(unittest.TestCase):
    def setUp(self):
        layer = images.layer("x", 1000)
        self.layer, self.workload = layer, workloads.Workload([workloads.Item("shop/x", "1", images.image("x", [layer]))], bases={layer.digest})
        self.cost = measure.Cost(1.0, {"client": 0.1, "service": 0.2}, {"client": 10.0, "service": 30.0}, 0, "")

    def record(self, way, requests):
        case = types.SimpleNamespace(way=way)
        return bench.record(case, self.workload, self.cost, {letter: Traffic(lines, 0) for letter, lines in requests.items()})

    def test_inside_one_registry_the_source_is_told_by_its_repository(self):
        found = self.record(cases.INSIDE, {"a": [
            logged("GET", "/v2/dev/shop/x/manifests/1", 200, 500), logged("GET", "/v2/", 200, 2),
            logged("POST", f"/v2/test/shop/x/blobs/uploads/?mount={self.layer.digest}&from=dev/shop/x", 201, 0)]})
        self.assertEqual((found["requests_source"], found["requests_target"], found["blob_bytes_target"]), (1, 2, 0))

    def test_every_blob_that_is_sent_counts_each_time(self):
        put = logged("PUT", f"/v2/production/shop/x/blobs/uploads/1?digest={self.layer.digest}", 201, 0)
        get = logged("GET", f"/v2/dev/shop/x/blobs/{self.layer.digest}", 200, 1000)
        found = self.record(cases.REGIONS, {"a": [get], "b": [put], "c": [put], "d": [put]})
        self.assertEqual((found["requests"], found["blob_bytes_target"], found["base_bytes_target"]), (4, 3000, 3000))
        self.assertAlmostEqual(found["source_factor"], 1000 / self.workload.blob_bytes())
        self.assertAlmostEqual(found["cpu_s"], 0.3)
        self.assertEqual(found["peak_mib"], 40.0)

    def test_a_blob_of_no_image_is_no_result(self):
        put = logged("PUT", f"/v2/production/shop/x/blobs/uploads/1?digest={DIGEST}", 201, 0)
        with self.assertRaises(processes.BenchmarkError):
            self.record(cases.ACROSS, {"a": [], "b": [put]})

    def test_a_row_has_medians_and_does_not_hide_failures(self):
        tool = types.SimpleNamespace(slug="crane", name="crane -j8")
        records = [{"wall_s": 3.0}, {"failure": "status 1: no"}, {"wall_s": 1.0}, {"wall_s": 2.0}]
        row = bench.row(types.SimpleNamespace(name="big cold"), tool, records)
        self.assertEqual((row["wall_s"], row["runs"], row["failed"], row["failure"]), (2.0, 3, 1, "status 1: no"))


class Bars(unittest.TestCase):
    def rows(self, ours, skopeo):
        return [
            {"case": "multi cold", "tool": tool, "runs": 5, "wall_s": wall, "requests": 180}
            for tool, wall in (("shiplift", ours), ("skopeo", skopeo))]

    def verdicts(self, rows):
        return {result["bar"]: result["verdict"] for result in bars.evaluate(rows)}

    def test_met_missed_and_not_measured(self):
        self.assertEqual(self.verdicts(self.rows(0.59, 1.0))["wall time ≤ 0.6 × skopeo"], "met")
        self.assertEqual(self.verdicts(self.rows(0.61, 1.0))["wall time ≤ 0.6 × skopeo"], "missed")
        self.assertEqual(self.verdicts(self.rows(0.59, 1.0)[:1])["wall time ≤ 0.6 × skopeo"], "not measured")
        self.assertEqual(self.verdicts(self.rows(0.59, 1.0))["requests ≤ 185"], "met")

    def test_a_case_that_failed_is_not_measured(self):
        row = {"case": "multi cold", "tool": "shiplift", "runs": 0, "failed": 5}
        self.assertEqual(set(self.verdicts([row]).values()), {"not measured"})

    def test_bars_cases_and_tools_know_each_other(self):
        names = {case.name: case for case in cases.CASES}
        known = {"shiplift", *(tool.slug for tool in tools.peers())}
        for bar in bars.BARS:
            self.assertIn("shiplift", names[bar.case].tools)
            if bar.against:
                self.assertIn(bar.against[1], names[bar.against[0]].tools)
        for case in cases.CASES:
            self.assertTrue(set(case.tools) <= known)
            self.assertTrue(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", case.slug))
        self.assertEqual(len({case.slug for case in cases.CASES}), len(cases.CASES))


class Commands(unittest.TestCase):
    def job(self, count=1, targets=1, **options):
        items = [workloads.Item("shop/x", str(number), None) for number in range(count)]
        return tools.Job(items, "127.0.0.1:1/dev", [f"127.0.0.1:{2 + number}/peer" for number in range(targets)], ("dev", "test"), **options)

    def test_one_copy_is_one_command_and_several_run_at_once(self):
        skopeo = tools.peers()[0]
        self.assertEqual(skopeo.command(self.job()).argv[-2:], ["docker://127.0.0.1:1/dev/shop/x:0", "docker://127.0.0.1:2/peer/shop/x:0"])
        command = skopeo.command(self.job(count=3, at_once=8))
        self.assertEqual((command.argv[1:3], len(command.lines), command.parallel), (["-P", "8"], 3, True))

    def test_a_copier_makes_a_copy_for_each_region_and_we_make_one_promotion(self):
        self.assertEqual(len(tools.peers()[0].command(self.job(targets=3)).lines), 3)
        ours = service.Shiplift("shiplift", "Shiplift", "shiplift", [], ["promote", "--wait"], url="http://127.0.0.1:9", token_file="t")
        self.assertEqual(ours.command(self.job(targets=3)).argv, ["shiplift", "promote", "--wait", "--from", "dev", "--to", "test", "shop/x:0"])

    def test_one_call_where_there_is_one(self):
        by_slug = {tool.slug: tool for tool in tools.peers()}
        job = self.job(count=3, one_call=True)
        self.assertIsNone(by_slug["regctl"].command(job))
        self.assertEqual(by_slug["crane"].command(job).argv[-2:], ["127.0.0.1:1/dev/shop/x", "127.0.0.1:2/peer/shop/x"])
        self.assertEqual(by_slug["skopeo-sync"].command(job).argv[-1], "127.0.0.1:2/peer/shop")


class Reports(unittest.TestCase):
    def results(self):
        figures = {
            "wall_s": 0.5, "cpu_s": 0.1, "peak_mib": 20.0, "requests": 10, "requests_source": 4, "requests_target": 6,
            "bytes_source": 1 << 20, "bytes_target": 2 << 20}
        split = {f"{kind}_{name}_{unit}": 0.1 for name in ("client", "service") for kind, unit in (("cpu", "s"), ("peak", "mib"))}
        return {
            "quick": False, "finished": "2026-01-01T00:00:00Z", "machine": {**report.machine("/"), "busy_before": 0.02},
            "tools": {}, "bars": [], "cases": {"big cold": "one layer"},
            "idle": {"service": {"cpu_s_per_s": 0.01, "memory_mib": 50.0}},
            "rows": [
                {"case": "big cold", "tool": "shiplift", "name": "Shiplift", "runs": 5, "failed": 0, **figures, **split},
                {"case": "big cold", "tool": "skopeo", "name": "skopeo", "runs": 4, "failed": 1, "failure": "status 1: a | b", **figures,
                 "wall_s": 1.0},
                {"case": "big cold", "tool": "oras", "name": "oras -c8", "runs": 0, "failed": 5, "failure": "status 2"}]}

    def test_the_table_shows_factors_and_failures(self):
        text = report.markdown(self.results())
        self.assertIn("| Shiplift | 0.500 | 0.50 |", text)
        self.assertIn("4 (1 failed: status 1: a / b)", text)
        self.assertIn("| oras -c8 | failed: status 2 |", text)

    def test_the_picture_is_well_formed(self):
        from xml.etree import ElementTree
        picture = ElementTree.fromstring(chart.svg(self.results()))
        bars_drawn = [each for each in picture.iter() if each.tag.endswith("rect")]
        self.assertEqual(len(bars_drawn), 2 * len(chart.COLUMNS))
        self.assertAlmostEqual(float(bars_drawn[0].get("width")), chart.LONGEST / 2)


if __name__ == "__main__":
    unittest.main()
