"""What Shiplift has set itself to reach, as data, and whether it does.

Every factor is against a peer's median in the same run on the same registries; Debian's skopeo is the one that everybody has.
"""

from dataclasses import dataclass

OURS = "shiplift"


@dataclass(frozen=True)
class Bar:
    """The measure of a case is at most `limit`, or `limit` times the same measure of (case, tool)."""

    case: str
    measure: str
    limit: float
    against: tuple = ()
    note: str = ""

    @property
    def words(self):
        return f"{MEASURES[self.measure]} ≤ {self.limit:g}" + (f" × {self.against[1]}" if self.against else "") + (
            f" ({self.against[0]})" if self.against and self.against[0] != self.case else "") + self.note


MEASURES = {
    "wall_s": "wall time",
    "cpu_s": "CPU",
    "requests": "requests",
    "blob_bytes_target": "blob bytes sent to the target",
    "base_bytes_target": "base-layer bytes sent to the target",
    "source_factor": "bytes read from the source / bytes of the image",
    "peak_service_mib": "peak memory of the service (MiB)",
}


def _at_most(case, **limits):
    return [Bar(case, measure, limit) for measure, limit in limits.items()]


def _times(case, tool, of=None, **factors):
    return [Bar(case, measure, factor, (of or case, tool)) for measure, factor in factors.items()]


BARS = [
    *_times("big cold", "skopeo", wall_s=0.90, cpu_s=0.30),
    *_times("big cold", "crane", cpu_s=0.80),
    *_times("layers cold", "skopeo", wall_s=0.62, cpu_s=0.36),
    *_at_most("layers cold", requests=160),
    *_times("multi cold", "skopeo", wall_s=0.60),
    *_at_most("multi cold", requests=185),
    *_at_most("layers mount", blob_bytes_target=0, requests=56),
    *_times("layers mount", "skopeo-warm", wall_s=0.35),
    *_at_most("multi mount", blob_bytes_target=0, requests=72),
    *_at_most("multi mount, known", blob_bytes_target=0, requests=65),
    *_at_most("layers again", requests=2),
    *_times("family, tag by tag", "skopeo", wall_s=0.30),
    *_at_most("family, tag by tag", requests=2000),
    *_times("family, one call", "skopeo", of="family, tag by tag", wall_s=0.24),
    *_at_most("family, one call", requests=1850),
    *_times("monorepo", "skopeo", wall_s=0.30),
    *_at_most("monorepo", base_bytes_target=0, requests=800),
    *_at_most("regions", source_factor=1.0),
    *_times("layers mount, 20 ms", "skopeo", wall_s=0.055),
    *_times("layers cold, 20 ms", "skopeo", wall_s=0.33),
    *_times("multi mount, 20 ms", "skopeo", wall_s=0.04),
    *[
        bar for size in ("1 MiB", "64 MiB", "1 GiB", "4 GiB")
        for bar in _at_most(f"memory, {size}", peak_service_mib=100)],
    # N blobs (50 layers and the config) cost N + 3 requests inside a registry, 3N + 3 across; regclient's 2N + 3 and 4N + 3 were the fewest.
    Bar("layers mount", "requests", 54, note=" (N + 3)"),
    Bar("layers cold", "requests", 156, note=" (3N + 3)"),
    # Flat: a blob 4,096 times as large may cost a quarter more at most.
    *_times("memory, 4 GiB", OURS, of="memory, 1 MiB", peak_service_mib=1.25),
]


def evaluate(rows):
    """Each bar with what was measured and a verdict: met, missed, or not measured."""
    found = {(row["case"], row["tool"]): row for row in rows}

    def value(case, tool, measure):
        row = found.get((case, tool))
        return row.get(measure) if row and row["runs"] else None

    results = []
    for bar in BARS:
        measured = value(bar.case, OURS, bar.measure)
        reference = value(*bar.against, bar.measure) if bar.against else 1
        limit = bar.limit * reference if reference is not None else None
        verdict = "not measured"
        if measured is not None and limit is not None:
            verdict = "met" if measured <= limit else "missed"
        if verdict != "not measured" or (bar.case, OURS) in found:
            results.append({
                "case": bar.case, "bar": bar.words, "measured": measured, "limit": limit,
                "factor": measured / reference if bar.against and measured is not None and reference else None, "verdict": verdict})
    return results
