#!/usr/bin/env python3
"""How long a search takes over a million tags: seeds the service's own database, asks the service, and keeps the plans.

    python3 Benchmarks/search.py [--images 5000] [--rounds 200] [--keep FILE]

Fails where a kind of search has its 99th percentile above 50 ms. Plans go to Benchmarks/search-plans.txt, times to Benchmarks/search.md.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import processes
from service import REPOSITORY, Service

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.environ.get("SHIPLIFT_BINARY", os.path.join(REPOSITORY, ".build/release/shiplift"))
ENVIRONMENTS = ["dev", "test", "staging", "production"]
BAR_MILLISECONDS = 50.0

# 50 artifacts an image, five blobs each; every environment has every tag: a million tags, five million blob locations.
SEED = """
SET search_path = shiplift, public;
ALTER TABLE tag_history DROP CONSTRAINT IF EXISTS tag_history_repository_id_tag_valid_excl;
CREATE TEMP TABLE wanted AS SELECT n, 'team-' || (n %% 100) || '/' || (ARRAY['api','web','worker','nginx','proxy','cache','queue','search','billing','login'])[1 + n %% 10]
  || '-' || n AS name FROM generate_series(1, %(images)d) n;
INSERT INTO images (name, description, keywords)
  SELECT name, 'Service number ' || n || ' of team ' || (n %% 100), 'team ' || (n %% 100) || ' tier ' || (n %% 7) FROM wanted;
INSERT INTO repositories (registry_id, name) SELECT e.registry_id, e.environment || '/' || w.name FROM wanted w, environment_registries e;
INSERT INTO image_repositories (image_id, registry_name, repository_id)
  SELECT i.id, e.name, r.id FROM images i JOIN environment_registries e ON true JOIN repositories r ON r.registry_id = e.registry_id
   AND r.name = e.environment || '/' || i.name;
CREATE TEMP TABLE made AS SELECT i.id AS image_id, a, '\\x01'::bytea || sha256(convert_to('artifact ' || i.id || ' ' || a, 'UTF8')) AS digest,
  (1 + (i.id * 31 + a * 17) %% 900) * 1000000::bigint AS size, timestamptz '2026-01-01' + (i.id * 50 + a) * interval '1 minute' AS created,
  CASE WHEN i.id %% 3 = 0 THEN ARRAY['linux/amd64','linux/arm64'] ELSE ARRAY['linux/amd64'] END AS platforms,
  jsonb_build_object('team', 'team-' || (i.id %% 100), 'tier', (i.id %% 7)::text, 'org.opencontainers.image.version', '1.' || a || '.0',
    'org.opencontainers.image.revision', encode(substr(sha256(convert_to('commit ' || i.id || ' ' || a, 'UTF8')), 1, 20), 'hex'),
    'rare', CASE WHEN (i.id * 50 + a) %% 1000 = 0 THEN 'yes' ELSE 'no' END) AS labels
  FROM images i, generate_series(1, 50) a;
INSERT INTO artifact_details (digest, media_type, size, created, platforms, labels, complete)
  SELECT digest, 'application/vnd.oci.image.manifest.v1+json', size, created, platforms, labels, true FROM made;
INSERT INTO image_artifacts (image_id, digest, size, created, platforms, labels, revision)
  SELECT image_id, digest, size, created, platforms, labels, labels ->> 'org.opencontainers.image.revision' FROM made;
INSERT INTO tag_history (repository_id, tag, digest, valid, seen_by)
  SELECT ir.repository_id, CASE WHEN m.a = 50 THEN 'latest' ELSE '1.' || m.a || '.0' END, m.digest, tstzrange(now() - interval '30 days', NULL), 'scan'
    FROM made m JOIN image_repositories ir ON ir.image_id = m.image_id;
ALTER TABLE tag_history ADD CONSTRAINT tag_history_repository_id_tag_valid_excl
  EXCLUDE USING gist (repository_id WITH =, (tag::text) WITH =, valid WITH &&);
INSERT INTO blob_locations (registry_id, digest, repository_id, committed_at)
  SELECT r.registry_id, '\\x01'::bytea || sha256(convert_to('blob ' || m.image_id || ' ' || m.a || ' ' || b, 'UTF8')), r.id, now()
    FROM made m JOIN image_repositories ir ON ir.image_id = m.image_id JOIN repositories r ON r.id = ir.repository_id, generate_series(1, 5) b;
"""


class Searched(Service):
    """The service with four environments that it does not look at."""

    def start_alone(self):
        os.mkdir(self.policies)
        text = "version: 1\nkind: Environments\nenvironments:\n"
        for name in ENVIRONMENTS:
            text += f"  - {{ name: {name}, registries: [{{ url: \"https://{name}.example.test\", repository: \"{name}/{{image}}\" }}] }}\n"
        with open(os.path.join(self.policies, "environments.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        self.run_again()

    def run_again(self):
        argv = [self.binary, "serve", "--listen", self.url.removeprefix("http://"), "--data", self.data, "--policies", self.policies]
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.data, "SHIPLIFT_PROBE_REGISTRIES": "false",
            "SHIPLIFT_SCAN_REGISTRIES": "false"}
        with open(self.log, "ab") as log:
            self.process = processes.start(argv, log, log, env, folder=self.data)
        processes.wait_until(self._is_ready, self.process, f"the service (see {self.log})", 120)

    def psql(self, sql):
        postmaster = os.path.join(self.data, "postgres/cluster/postmaster.pid")
        with open(postmaster, encoding="utf-8") as file:
            socket = file.read().splitlines()[4]
        answer = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U", "shiplift_admin", "-d", "shiplift", "-f", "-"], input=sql,
            capture_output=True, text=True, check=False)
        if answer.returncode:
            raise processes.BenchmarkError(f"psql: {answer.stderr}")
        return answer.stdout

    def ask(self, path):
        with open(os.path.join(self.data, "admin-token"), encoding="utf-8") as file:
            token = file.read().strip()
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def log_plans(self):
        """Every statement of new connections is explained in the server's log from now on."""
        self.psql(
            "ALTER DATABASE shiplift SET session_preload_libraries = 'auto_explain'; ALTER DATABASE shiplift SET auto_explain.log_min_duration = 0;"
            "ALTER DATABASE shiplift SET auto_explain.log_analyze = on; ALTER DATABASE shiplift SET auto_explain.log_buffers = on;"
            "ALTER DATABASE shiplift SET log_min_messages = log;")


def searches(service, images):
    """Kinds of search, each as a maker of queries: no two are alike, so nothing answers from memory alone."""
    pick = random.Random(7)
    digests = service.psql("SELECT encode(substr(digest, 2), 'hex') FROM shiplift.image_artifacts TABLESAMPLE BERNOULLI (1) LIMIT 400").split()
    revisions = service.psql("SELECT revision FROM shiplift.image_artifacts TABLESAMPLE BERNOULLI (1) LIMIT 400").split()
    return {
        "a part of a name": lambda: {"q": f"nginx-{pick.randrange(images)}"},
        "a frequent word": lambda: {"q": pick.choice(["nginx", "proxy", "billing", "login"])},
        "two words of the description": lambda: {"q": f"team {pick.randrange(100)}"},
        "a word that is nowhere": lambda: {"q": f"absent{pick.randrange(10**6)}"},
        "a digest's first characters": lambda: {"digest": pick.choice(digests)[:12]},
        "a revision's first characters": lambda: {"revision": pick.choice(revisions)[:10]},
        "a label of one in a hundred": lambda: {"label": f"team=team-{pick.randrange(100)}"},
        "a label of one in seven": lambda: {"label": f"tier={pick.randrange(7)}"},
        "a label of one in a thousand": lambda: {"label": "rare=yes"},
        "a tag in one environment": lambda: {"tag": f"1.{1 + pick.randrange(49)}.0", "environment": pick.choice(ENVIRONMENTS)},
        "a tag that is nowhere": lambda: {"tag": f"9.{pick.randrange(10**6)}.0"},
        "platform and size": lambda: {"platform": "linux/arm64", "minSize": "800000000"},
        "size that nothing has": lambda: {"minSize": str(10**15)},
        "words, label and environment": lambda: {"q": "proxy", "label": f"tier={pick.randrange(7)}", "environment": "production"},
        "everything, the first page": lambda: {},
    }


def measure(service, kinds, rounds):
    rows = []
    for kind, make in kinds.items():
        times, found = [], 0
        for round_number in range(rounds + 5):
            query = urllib.parse.urlencode({**make(), "limit": 25})
            began = time.perf_counter()
            found += len(service.ask(f"/v1/images?{query}")["items"])
            if round_number >= 5:
                times.append((time.perf_counter() - began) * 1000)
        times.sort()
        rows.append((kind, found / (rounds + 5), times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]))
        print(f"  {kind:36} found {rows[-1][1]:6.1f}   p50 {rows[-1][2]:6.1f} ms   p99 {rows[-1][3]:6.1f} ms   most {rows[-1][4]:6.1f} ms", flush=True)
    return rows


def plans(service, kinds):
    """The plans of one search of each kind, as PostgreSQL made them for the service."""
    service.log_plans()
    processes.stop(service.process)
    service.run_again()
    text = "Plans of the searches of Benchmarks/search.py, as PostgreSQL made them for the service (auto_explain).\n"
    log = os.path.join(service.data, "postgres/log")
    candidates = [path for path in (service.log, log, os.path.join(service.data, "postgres/postgres.log")) if os.path.isfile(path)]
    for kind, make in kinds.items():
        sizes = {path: os.path.getsize(path) for path in candidates}
        service.ask("/v1/images?" + urllib.parse.urlencode({**make(), "limit": 25}))
        time.sleep(0.3)
        written = ""
        for path, size in sizes.items():
            with open(path, encoding="utf-8", errors="replace") as file:
                file.seek(size)
                written += file.read()
        found = [
            part for part in re.split(r"(?m)^\S.*LOG:\s+", written)
            if "plan:" in part and ("FROM images i WHERE" in part or "LATERAL (SELECT DISTINCT ON" in part.replace("\n", " "))]
        text += f"\n==== {kind}\n" + "\n".join(part.rstrip() for part in found) + "\n"
    return text


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--images", type=int, default=5000)
    arguments.add_argument("--rounds", type=int, default=200)
    options = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="shiplift-search-")
    os.chmod(folder, 0o755)
    service = Searched(BINARY, folder)
    try:
        service.start_alone()
        began = time.monotonic()
        service.psql(SEED % {"images": options.images})
        service.psql("VACUUM ANALYZE")
        counts = service.psql(
            "SELECT (SELECT count(*) FROM shiplift.tag_history), (SELECT count(*) FROM shiplift.image_artifacts), (SELECT count(*) FROM shiplift.blob_locations)")
        tags, artifacts, blobs = (int(part) for part in counts.strip().split("|"))
        print(f"{tags:,} tags, {artifacts:,} artifacts, {blobs:,} blob locations, seeded in {time.monotonic() - began:.0f} s", flush=True)
        kinds = searches(service, options.images)
        rows = measure(service, kinds, options.rounds)
        if options.images >= 5000:
            keep(rows, tags, artifacts, blobs, options.rounds)
        with open(os.path.join(HERE, "search-plans.txt"), "w", encoding="utf-8") as file:
            file.write(plans(service, kinds))
    finally:
        service.stop()
        subprocess.run(["rm", "-rf", folder], check=False)
    slow = [row for row in rows if row[3] > BAR_MILLISECONDS]
    if slow:
        sys.exit(f"p99 above {BAR_MILLISECONDS:.0f} ms: {', '.join(row[0] for row in slow)}")


def keep(rows, tags, artifacts, blobs, rounds):
    with open(os.path.join(HERE, "search.md"), "w", encoding="utf-8") as file:
        file.write(
            f"# Search\n\n`make bench-search`: {rounds} searches of each kind through `GET /v1/images`, one after the other, over {tags:,} tags,"
            f" {artifacts:,} artifacts and {blobs:,} blob locations; the service's private PostgreSQL with 64 MiB of shared buffers, on two cores."
            " The plans are in [search-plans.txt](search-plans.txt).\n\n| search | found (a page has 25) | p50, ms | p99, ms | most, ms |\n|---|---|---|---|---|\n")
        for kind, found, median, p99, most in rows:
            file.write(f"| {kind} | {found:.1f} | {median:.1f} | {p99:.1f} | {most:.1f} |\n")


if __name__ == "__main__":
    main()
