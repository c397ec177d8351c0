"""The results as JSON, and as Markdown for people."""

import json
import os
import platform
import subprocess
import time

MIB = 1 << 20


def machine(memory):
    """Where it was measured."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(file.readline().split()[1]) // 1024
    kinds = subprocess.run(["stat", "-f", "-c", "%T", memory], capture_output=True, text=True, check=False).stdout.strip()
    registry = subprocess.run(["docker-registry", "--version"], capture_output=True, text=True, check=False).stdout.split()
    return {
        "cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(), "memory_mib": total, "kernel": platform.release(),
        "registry": f"docker-registry {registry[-1]}" if registry else "docker-registry", "registry_storage": kinds}


def busy(seconds=2):
    """How much of the machine others are using now, as a part of one."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            values = [int(value) for value in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]

    total, idle = ticks()
    time.sleep(seconds)
    later, later_idle = ticks()
    return 1 - (later_idle - idle) / max(1, later - total)


def write(results, folder):
    with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    with open(os.path.join(folder, "results.md"), "w", encoding="utf-8") as file:
        file.write(markdown(results))


def markdown(results):
    where = results["machine"]
    lines = [
        "# Results of the benchmark", "",
        *(["**A quick run with small images: it shows that the benchmark works, and nothing else.**", ""] if results["quick"] else []),
        f"{where['cores']} cores ({where['cpu']}, {where['busy_before']:.0%} busy before), {where['memory_mib'] // 1024} GiB, "
        f"Linux {where['kernel']}, {where['registry']} on {where['registry_storage']}, loopback; finished {results['finished']}. Medians. "
        "What each column is: [README.md](README.md).",
        "", "| tool | version |", "|---|---|",
        *(f"| {tool['name']} | {tool['version']} |" for tool in results["tools"].values()), ""]
    for case, words in results["cases"].items():
        lines += _case(case, words, [row for row in results["rows"] if row["case"] == case])
    lines += _shares(results)
    if results["bars"]:
        lines += _bars(results["bars"])
    return "\n".join(lines) + "\n"


def _case(case, words, rows):
    skopeo = next((row for row in rows if row["tool"] == "skopeo" and row["runs"]), None)
    lines = [
        f"## {case}", "", f"{words[0].upper()}{words[1:]}.", "",
        "| | wall s | × skopeo | CPU s | peak MiB | requests (source + target) | MiB from the source | MiB into the target | runs |",
        "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if not row["runs"]:
            lines.append(f"| {row['name']} | {row.get('note') or 'failed: ' + one_line(row['failure'])} | | | | | | | 0 |")
            continue
        factor = f"{row['wall_s'] / skopeo['wall_s']:.2f}" if skopeo else ""
        failed = f" ({row['failed']} failed: {one_line(row['failure'])})" if row["failed"] else ""
        lines.append(
            f"| {row['name']} | {row['wall_s']:.3f} | {factor} | {row['cpu_s']:.3f} | {row['peak_mib']:.0f} | "
            f"{row['requests']:.0f} ({row['requests_source']:.0f} + {row['requests_target']:.0f}) | {row['bytes_source'] / MIB:.1f} | "
            f"{row['bytes_target'] / MIB:.1f} | {row['runs']}{failed} |")
    return [*lines, ""]


def one_line(text):
    """The end of a reason, fit for a table's cell."""
    return " ".join(text.replace("|", "/").split())[-300:]


def _shares(results):
    """Whose CPU and memory Shiplift's figures are."""
    names = ["client", *results["idle"]]
    rows = [row for row in results["rows"] if row["tool"] == "shiplift" and row["runs"]]
    lines = [
        "## Shiplift, process by process", "", "CPU seconds and peak MiB.", "",
        "| case | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for row in rows:
        lines.append(f"| {row['case']} | " + " | ".join(
            f"{row[f'cpu_{name}_s']:.3f} s, {row[f'peak_{name}_mib']:.0f}" for name in names) + " |")
    lines.append("| at rest, for a second | 0 | " + " | ".join(
        f"{part['cpu_s_per_s']:.4f} s, {part['memory_mib']:.0f}" for part in results["idle"].values()) + " |")
    return [*lines, ""]


def _bars(bars):
    lines = ["## The bars", "", "| case | bar | limit | measured | |", "|---|---|---|---|---|"]
    for bar in bars:
        factor = f" ({bar['factor']:.3g} ×)" if bar["factor"] is not None else ""
        lines.append(
            f"| {bar['case']} | {bar['bar']} | {_figure(bar['limit'])} | {_figure(bar['measured'])}{factor} | "
            f"{'**missed**' if bar['verdict'] == 'missed' else bar['verdict']} |")
    return [*lines, ""]


def _figure(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"
