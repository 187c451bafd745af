"""Text to decision on one pinned core: `python -m benchmarks.edge [--bundle DIR] [--rivals] [--json FILE]`.

Prints p50 and p99 by length, resident memory, cold start (from starting a process to its first decision), a new
process's first and 20th utterance, sizes, and the classifier alone by thread settings and beside busy cores. With
--rivals other classifiers too (minutes to fit).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import edge_rivals
from training.machine import processor

WORDS = ["please", "go", "forward", "two", "metres", "and", "then", "slowly", "turn", "to", "the", "left", "again"]
LENGTHS = (1, 4, 8, 12, 24, 48, 64, 100)
"""Tokens; the shipped bundle reads 64."""
WARM_UP, RUNS = 50, 1000
SIDE_BY_SIDE = 12
"""Tokens of the utterance that classifiers are compared on."""
COLD_STARTS = 5
HEARD = "向前走两米"
"""What a new process hears; its quantity needs more code than a plain command."""
TIMES = 20
STOP_LIST = Path(__file__).parents[1] / "test" / "stop_list.txt"
STOP_RUNS = 51
"""Matches of each phrase; the median counts."""

COLD = """
import resource, time
from shadow_intent.bundle import Bundle
from shadow_intent.intent import Utterance
from shadow_intent.pipeline import Pipeline
pipeline = Pipeline.from_bundle(Bundle.load({bundle!r}))
clock = [time.perf_counter()]
for _ in range({times}):
    pipeline.hear(Utterance({text!r}))
    clock.append(time.perf_counter())
print(clock[1] - {start!r}, clock[1] - clock[0], clock[-1] - clock[-2])
print(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""
"""Prints the seconds from `start`, a reading of the parent's clock (on Linux all processes share it), to the first
decision, of the first utterance and of the last; MiB resident, and MiB at the peak."""


def text_of(tokens: int, tokenizer: Any) -> str:
    """A sentence of exactly that many tokens."""
    text = WORDS[0]
    for i in range(1, 10 * tokens):
        if len(tokenizer.encode(text).ids) >= tokens:
            break
        text += " " + WORDS[i % len(WORDS)]
    return text


def percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


def timed(call: Any) -> dict[str, float]:
    for _ in range(WARM_UP):
        call()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return percentiles(seconds)


def stop_phrases() -> dict[str, Any]:
    """Every phrase of test/stop_list.txt: what is missed, what fires wrongly, and microseconds a match."""
    from shadow_intent import stop

    wanted: list[tuple[str, str | None]] = []
    for line in STOP_LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]").split()[0]
        elif line and not line.startswith("#"):
            wanted.append((line, None if section == "neither" else section))
    microseconds = []
    for text, _ in wanted:
        runs = []
        for _run in range(STOP_RUNS):
            start = time.perf_counter()
            stop.match(text)
            runs.append(time.perf_counter() - start)
        microseconds.append(float(np.median(runs)) * 1e6)
    fires = [label for _, label in wanted if label]
    p50, p99 = np.percentile(microseconds, [50, 99])
    return {
        "phrases": len(wanted),
        "must_fire": len(fires),
        "missed": sum(stop.match(text) != label for text, label in wanted if label),
        "false_fires": sum(stop.match(text) is not None for text, label in wanted if label is None),
        "p50_us": round(float(p50), 1),
        "p99_us": round(float(p99), 1),
        "slowest_us": round(max(microseconds), 1),
    }


def new_process(bundle_path: str) -> list[float]:
    """What `COLD` prints."""
    code = COLD.format(bundle=bundle_path, times=TIMES, text=HEARD, start=time.perf_counter())
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [float(value) for value in out.split()]


def measure(bundle_path: str, core: int) -> dict[str, Any]:
    from tokenizers import Tokenizer

    from shadow_intent.bundle import Bundle
    from shadow_intent.intent import Utterance
    from shadow_intent.pipeline import Pipeline

    bundle = Bundle.load(bundle_path)
    pipeline = Pipeline.from_bundle(bundle)
    tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path))
    results: dict[str, Any] = {
        "bundle": bundle.bundle_id,
        "processor": processor(),
        "load": round(os.getloadavg()[0], 2),
    }
    results["bundle_mib"] = round(bundle.size_bytes / 2**20, 1)
    results["model_mib"] = round(bundle.model_path.stat().st_size / 2**20, 1)
    results["robot_mib"] = round(bundle.robot_bytes / 2**20, 1)
    results["latency"] = {str(n): timed(partial(pipeline.hear, Utterance(text_of(n, tokenizer)))) for n in LENGTHS}
    results["stop"] = stop_phrases()
    cold, first, last, resident, peak = np.median([new_process(bundle_path) for _ in range(COLD_STARTS)], axis=0)
    results |= {"cold_start_s": round(cold, 3), "resident_mib": round(resident, 1), "peak_mib": round(peak, 1)}
    results |= {"first_ms": round(first * 1e3, 2), "twentieth_ms": round(last * 1e3, 2)}
    results["compared_on"] = text_of(SIDE_BY_SIDE, tokenizer)
    results["classifier"] = edge_rivals.ours(bundle, results["compared_on"], core, timed)
    return results


def show(results: dict[str, Any]) -> None:
    table = Table(title=f"text → decision, one core, {RUNS} runs after {WARM_UP}")
    for column in ("tokens", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    for name, row in results["latency"].items():
        table.add_row(name, f"{row['p50_ms']:.3f}", f"{row['p99_ms']:.3f}")
    console = Console()
    console.print(table)
    console.print(
        "stop: {phrases} phrases, {missed} of {must_fire} missed, {false_fires} false fires; "
        "p50 {p50_us} µs, p99 {p99_us} µs, slowest {slowest_us} µs a match".format(**results["stop"])
    )
    console.print(
        "cold start {cold_start_s} s; in a new process the first {heard} takes {first_ms} ms, the {times}th "
        "{twentieth_ms} ms".format(**results, heard=HEARD, times=TIMES)
    )
    console.print(
        "resident {resident_mib} MiB (at most {peak_mib} while loading); the robot reads {robot_mib} MiB (model "
        "{model_mib}) of the bundle's {bundle_mib} MiB".format(**results)
    )
    table = Table(title=f"classifier alone, {SIDE_BY_SIDE} tokens of the bundle: {results['compared_on']}")
    for column in ("", "p50 ms", "p99 ms", "MB"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in results["classifier"].items():
        table.add_row(name, f"{row['p50_ms']:.3f}", f"{row['p99_ms']:.3f}", f"{row['mb']:.1f}")
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="", help="bundle folder (default: the shipped one)")
    parser.add_argument("--core", type=int, default=0, help="core to pin to")
    parser.add_argument("--rivals", action="store_true", help="measure TF-IDF + SVC, and MiniLM where given, too")
    parser.add_argument("--minilm", default="", help="folder or Hugging Face id of all-MiniLM-L6-v2")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    with edge_rivals.pinned({arguments.core}):
        results = measure(arguments.bundle, arguments.core)
        if arguments.rivals:
            results["classifier"] |= edge_rivals.others(results["compared_on"], arguments.minilm, timed)
    show(results)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
