"""The results as an SVG that reads well on white and on black; written by hand, without a library."""

from xml.sax.saxutils import escape

# The picture shows the main cases; the table has all.
CASES = [
    "big cold", "layers cold", "multi cold", "layers mount", "multi mount", "layers again", "family, tag by tag", "family, one call",
    "monorepo", "regions", "layers cold, 20 ms", "layers mount, 20 ms", "multi mount, 20 ms"]
# The measure, its title, its form, and the least that a whole bar stands for: differences of less are none.
COLUMNS = [
    ("wall_s", "wall time, s", "{:.2f}", 0.01), ("requests", "requests", "{:,.0f}", 1), ("arrived_mib", "MiB into the target", "{:,.1f}", 1)]
WIDTH, LEFT, COLUMN, BAR, GAP, HEAD = 1000, 246, 250, 13, 18, 62
LONGEST = 180

STYLE = """
  text { font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .case { font-weight: 600 }
  .soft { fill: #57606a }
  .peer { fill: #b6bec8 }
  .ours { fill: #0969da }
  .rule { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .soft { fill: #9198a1 } .peer { fill: #4c5561 } .ours { fill: #4493f8 } .rule { stroke: #30363d }
  }"""


def write(results, path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg(results))


def svg(results):
    """For each case a group of bars, one a tool, in three columns; each column of a group has its own scale."""
    body, y = [], HEAD
    for case in CASES:
        rows = [
            {**row, "arrived_mib": row["bytes_target"] / (1 << 20)}
            for row in results["rows"] if row["case"] == case and row["runs"]]
        if rows:
            body += _group(case, rows, y)
            y += len(rows) * BAR + GAP
    where = results["machine"]
    note = f"{where['cores']} cores, {where['registry']} on {where['registry_storage']}, medians; shorter is better"
    head = [
        f'<text class="title" x="12" y="22">One promotion, tool by tool{" (quick run)" if results["quick"] else ""}</text>',
        f'<text class="soft" x="{WIDTH - 12}" y="22" text-anchor="end">{escape(note)}</text>',
        *(f'<text class="soft" x="{LEFT + index * COLUMN}" y="48">{title}</text>' for index, (_, title, _, _) in enumerate(COLUMNS))]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img"'
        ' aria-label="Wall time, requests and bytes of Shiplift and other tools">',
        f"<style>{STYLE}\n</style>", *head, *body, "</svg>", ""])


def _group(case, rows, top):
    parts = [
        f'<line class="rule" x1="12" x2="{WIDTH - 12}" y1="{top - 8}" y2="{top - 8}"/>',
        f'<text class="case" x="12" y="{top + 10}">{escape(case)}</text>']
    for position, row in enumerate(rows):
        y = top + position * BAR
        kind = "ours" if row["tool"] == "shiplift" else "peer"
        parts.append(f'<text class="soft" x="{LEFT - 6}" y="{y + 10}" text-anchor="end">{escape(row["name"])}</text>')
        for index, (measure, _, form, least) in enumerate(COLUMNS):
            whole = max(least, *(each[measure] for each in rows))
            x, length = LEFT + index * COLUMN, max(1.0, row[measure] / whole * LONGEST)
            parts.append(f'<rect class="{kind}" x="{x}" y="{y + 2}" width="{length:.1f}" height="{BAR - 3}" rx="2"/>')
            parts.append(f'<text x="{x + length + 5:.1f}" y="{y + 10}">{form.format(row[measure])}</text>')
    return parts
