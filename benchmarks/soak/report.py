"""What a soak found, as numbers, a table and a plot."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.soak.checks import Logged, Motion, Violation

ALLOWED_MB = 10.0
"""What a process may grow in the second half: less than the allocator's own breathing, far less than a leak of a few
hundred bytes per utterance would make."""
SHOWN = 40
"""Violations in the results; the count is of all."""


def summary(
    seen: Mapping[str, Any],
    motion: Motion,
    logged: Logged,
    wrong: Sequence[Violation],
    sizes: Mapping[str, Mapping[str, float]],
    cable: bool,
) -> dict[str, Any]:
    """The results, ready for JSON."""
    speaker, acts = seen["speaker"], seen["faults"].acts
    violations = [*motion.violations, *wrong]
    violations += [
        Violation(float("inf"), "memory", f"{name} grew by {values['growth_mb']:.1f} MB, {ALLOWED_MB:g} are allowed")
        for name, values in sizes.items()
        if values["growth_mb"] > ALLOWED_MB
    ]
    starts = [act.began for act in acts]
    blamed = Counter(
        acts[i - 1].fault if (i := bisect_right(starts, v.at)) and v.at != float("inf") else "" for v in violations
    )
    names = dict.fromkeys(act.fault for act in acts)
    waits = np.array([s.wait_ms for s in speaker.said.values() if s.decision] or [0.0])
    return {
        "cores": os.cpu_count(),
        "utterances": len(speaker.said),
        "seconds": round(seen["seconds"], 1),
        "per_second": round(len(speaker.said) / seen["seconds"], 1),
        "answered_p50_ms": round(float(np.percentile(waits, 50)), 1),
        "answered_p99_ms": round(float(np.percentile(waits, 99)), 1),
        "network_namespaces": cable,
        "outcomes": dict(speaker.outcomes.most_common()),
        "faults": [row(name, [a for a in acts if a.fault == name], blamed[name]) for name in names],
        "log": {
            "decisions_seen": sum(bool(s.decision) for s in speaker.said.values()),
            "endings_seen": sum(bool(s.closed) for s in speaker.said.values()),
            "lost": sum(v.rule == "log" for v in wrong),
            "records": logged.records,
            "heard_undecided": len(logged.heard - logged.decided),
        },
        "motion": {
            "requests": motion.requests,
            "moves": motion.moves,
            "commands": motion.lives,
            "travelled_m": round(motion.travelled_m, 1),
            "latest_move_after_its_command_s": round(motion.worst_s, 3),
            "without_command": sum(v.rule in ("motion", "drift", "order") for v in motion.violations),
        },
        "memory": {
            n: {k: round(v, 1) for k, v in values.items()} | {"allowed_mb": ALLOWED_MB} for n, values in sizes.items()
        },
        "memory_samples": series(seen["memory"]),
        "violations": len(violations),
        "violated": [{"rule": v.rule, "detail": v.detail} for v in violations[:SHOWN]],
    }


def row(name: str, acts: Sequence[Any], violations: int) -> dict[str, Any]:
    """One fault."""
    recovered = [act.recovered_s for act in acts]
    return {
        "fault": name,
        "times": len(acts),
        "while_walking": sum(act.walking for act in acts),
        "recovered_median_s": round(float(np.median(recovered)), 2),
        "recovered_worst_s": round(max(recovered), 2),
        "seen": dict(Counter(note.split(":")[0].split(" by ")[0] for act in acts for note in act.notes).most_common(6)),
        "violations": violations,
    }


def series(memory: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, list[list[float | None]]]:
    """By name: [utterances, megabytes]; [utterances, None] where another process of the name began."""
    found: dict[str, list[list[float | None]]] = {}
    last: dict[str, str] = {}
    for said, sizes in memory:
        for key, size in sizes.items():
            name = key.split()[0]
            points = found.setdefault(name, [])
            if last.setdefault(name, key) != key:
                points.append([said, None])
                last[name] = key
            points.append([said, round(size, 1)])
    return found


def show(results: Mapping[str, Any], console: Console) -> None:
    """Tables."""
    table = Table("fault", title=f"{results['utterances']} utterances in {results['seconds']:.0f} s")
    for column in ("times", "walking", "works again after s", "worst"):
        table.add_column(column, justify="right")
    table.add_column("seen", overflow="fold")
    table.add_column("verdict")
    for fault in results["faults"]:
        seen = ", ".join(f"{text} x{n}" if n > 1 else text for text, n in fault["seen"].items())
        times = (fault["recovered_median_s"], fault["recovered_worst_s"])
        verdict = f"[red]{fault['violations']} violations" if fault["violations"] else "held"
        numbers = str(fault["times"]), str(fault["while_walking"]), *(f"{t:.2f}" for t in times)
        table.add_row(fault["fault"].replace("_", " "), *numbers, seen.replace("[", "("), verdict)
    console.print(table)
    for line in lines(results):
        console.print(line, markup=False, highlight=False)


def lines(results: Mapping[str, Any]) -> list[str]:
    """What does not fit the table."""
    log, motion = results["log"], results["motion"]
    networks = "two networks" if results["network_namespaces"] else "NO NETWORK NAMESPACES: no partition"
    found = [
        "outcomes: " + ", ".join(f"{name} {n}" for name, n in results["outcomes"].items()),
        f"answered {results['per_second']:.0f}/s, p50 {results['answered_p50_ms']} ms, "
        f"p99 {results['answered_p99_ms']} ms; {results['cores']} cores; {networks}",
        f"log: {log['decisions_seen']} decisions and {log['endings_seen']} endings seen, {log['lost']} lost; "
        f"{log['records']} records",
        f"motion: {motion['requests']} requests, {motion['moves']} velocities in {motion['commands']} commands, "
        f"{motion['travelled_m']} m; latest velocity {motion['latest_move_after_its_command_s']} s after its command; "
        f"{motion['without_command']} without",
    ]
    found += [
        f"memory: {name} {v['begin_mb']} -> {v['end_mb']} MB, trend {v['growth_mb']:+} MB of {v['allowed_mb']} allowed"
        for name, v in results["memory"].items()
    ]
    found += [f"{violation['rule']}: {violation['detail']}" for violation in results["violated"]]
    return [*found, f"{results['violations']} violations"]


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Memory over utterances."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt  # the backend must be chosen first

    figure, axis = plt.subplots(figsize=(8, 4))
    for name, points in results["memory_samples"].items():
        if name not in ("observer", "cloud"):
            x, y = np.array([[a, np.nan if b is None else b] for a, b in points], dtype=float).T
            axis.plot(x / 1000, y, label=name)
    axis.axvline(results["utterances"] / 2000, color="grey", linestyle=":")
    axis.set(xlabel="utterances, thousands", ylabel="resident memory, MB", ylim=(0, None))
    axis.set_title("no node is killed right of the line; a gap is a new process", fontsize=9)
    axis.legend(loc="center right")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
