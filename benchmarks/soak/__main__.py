"""The whole robot side under faults: `python -m benchmarks.soak [--utterances N] [--json FILE] [--seed N]`.

The product's nodes, a mock Go2, real gRPC servers and the shipped bundle, each a process, over DDS between two networks
of their own. Utterances of the training and challenge sets are said as fast as they are answered, and meanwhile every
fault of soak/faults.py strikes, while the robot walks and while it is talked to. In the second half no node of the
product is killed, so that the memory of one process can be followed. Wanted (exit status 1 otherwise):

- Nothing lost: of each utterance whose decision anybody saw, the log holds the utterance, the decision and, where the
  cloud was asked, how that ended, kill -9 included. What was said while no intent_node was active is "not heard".
- No motion without a live command, as an observer beside the robot saw it: soak/checks.py says what that means.
- Flat memory: what the straight line through the second half rises must stay below `ALLOWED_MB` for each process.
- Everything works again within 30 s after each fault, every open request finds its end, and nothing dies by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from benchmarks.soak import network
from benchmarks.soak.checks import Evidence, Logged, Motion, Violation, growth_mb, judge_motion
from benchmarks.soak.report import plot, show, summary
from benchmarks.soak.scene import Scene, read_evidence
from shadow_intent.cast import isolate
from shadow_intent.errors import ShadowIntentError
from shadow_intent.event_log import read_events
from shadow_intent.skills import load_skills

SMALL = 5000
"""Fewer utterances: each fault once and briefly, without the language model, and memory is not judged."""
SAMPLES = 400
"""Of the memory, over the whole run."""
WATCHED = ("intent_node", "skill_node", "stop_node", "mock_go2")


def schedule(
    utterances: int, seed: int, cable: bool, model: bool, only: Sequence[str] = ()
) -> list[tuple[int, str, bool]]:
    """(after so many utterances, fault, while walking), evenly spread and in random order."""
    from benchmarks.soak.faults import FAULTS, KILLS, LONG

    chance, small = random.Random(seed), utterances < SMALL
    common = [name for name in FAULTS if cable or name != "partition"]
    rare = [name for name in LONG if (cable or name != "partition_long") and (model or name != "cloud_model")]
    if small:
        halves = [[(name, chance.random() < 0.5) for name in (*common, *KILLS)]]
    else:
        both = [(name, walking) for name in common for walking in (True, False)] + [(name, False) for name in rare]
        halves = [both + [(name, walking) for name in KILLS for walking in (True, False, True)], both]
    halves = [[act for act in half if not only or act[0] in only] for half in halves]
    acts = []
    for number, half in enumerate(halves):
        chance.shuffle(half)
        size = utterances / len(halves)
        acts += [(int(size * (number + (i + 1) / (len(half) + 1))), *act) for i, act in enumerate(half)]
    return acts


def play(
    utterances: int, seed: int, scene: Scene, model: bool, only: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Runs the whole; returns what was seen. Raises ShadowIntentError when it cannot go on."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from benchmarks.soak.faults import Faults
    from benchmarks.soak.speaker import Speaker
    from shadow_intent.nodes.dds import use_safe_profile

    use_safe_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        speaker = Speaker(rclpy.create_node("speaker"), seed)
        faults = Faults(scene, speaker, 0.4 if utterances < SMALL else 2.0)
        memory: list[tuple[int, dict[str, float]]] = []
        bar = progress.add_task("soaking", total=utterances)

        def watch() -> None:
            if len(speaker.said) >= len(memory) * utterances / SAMPLES:
                memory.append((len(speaker.said), scene.memory()))
                progress.update(bar, completed=len(speaker.said))

        faults.begin()
        speaker.every.append(watch)
        began = time.time()
        for after, fault, walking in schedule(utterances, seed, scene.cable is not None, model, only):
            speaker.storm(lambda after=after: len(speaker.said) < after)  # type: ignore[misc]
            progress.update(bar, description=fault)
            faults.act(fault, walking)
        progress.update(bar, description="soaking")
        speaker.storm(lambda: len(speaker.said) < utterances)
        speaker.quiet(3.5)
        return {"speaker": speaker, "faults": faults, "memory": memory, "seconds": time.time() - began}
    finally:
        rclpy.try_shutdown()


def judge(seen: dict[str, Any], scene: Scene) -> tuple[Motion, Logged, list[Violation]]:
    """Motion, log, and everything else that went wrong."""
    speaker, faults = seen["speaker"], seen["faults"]
    heard, rows = speaker.heard, read_evidence(scene.evidence)
    evidence = Evidence(rows, heard.orders, heard.statuses, faults.deaths, faults.reboots, faults.wakings)
    motion = judge_motion(evidence, load_skills())
    logged = Logged()
    for log in sorted((scene.folder / "log").iterdir()):
        for event in track(read_events(log), f"reading the log {log.name}", transient=True):
            logged.add(event.topic, event.fields)
    said = speaker.said
    to_wall = time.time() - time.monotonic()
    decided = {stamp: s.at + to_wall for stamp, s in said.items() if s.decision}
    closed = {stamp: s.at + to_wall for stamp, s in said.items() if s.closed}
    wrong = [*faults.violations, *logged.missing(decided, closed)]
    for s in said.values():
        if not s.decision and not s.excused:
            wrong.append(Violation(s.at + to_wall, "answer", f"{s.text[:60]!r} got no decision"))
        if s.opened and s.closed != 1:
            wrong.append(Violation(s.at + to_wall, "answer", f"open request {s.text[:60]!r} ended {s.closed} times"))
        if s.odd and s.decision not in ("", "ignore") and s.decision != "skill":
            wrong.append(Violation(s.at + to_wall, "stamp", f"{s.text[:60]!r} has a wrong stamp and was {s.decision}"))
    return motion, logged, wrong


def growth(memory: Sequence[tuple[int, dict[str, float]]], utterances: int) -> dict[str, dict[str, float]]:
    """Of the processes that lived through the second half: megabytes at its begin and end, and the trend."""
    found = {}
    half = [(said, sizes) for said, sizes in memory if said >= utterances / 2]
    for key in half[-1][1] if half else ():
        name = key.split()[0]
        series = [(said, sizes[key]) for said, sizes in half if key in sizes]
        if name in WATCHED and len(series) > len(half) // 2:
            found[name] = {"begin_mb": series[0][1], "end_mb": series[-1][1], "growth_mb": growth_mb(series)}
    return found


def soak(utterances: int, seed: int, model: bool, only: Sequence[str], console: Console, keep: bool) -> dict[str, Any]:
    """Everything; returns the results."""
    folder = Path(tempfile.mkdtemp(prefix="shadow_intent_soak_"))
    cable = network.Cable() if os.environ.get(network.INSIDE) else None
    scene = Scene(folder, cable)
    columns = TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    try:
        try:
            with Progress(*columns, console=console, transient=True) as progress:
                seen = play(utterances, seed, scene, model, only, progress)
        finally:
            problems = scene.stop()
        motion, logged, wrong = judge(seen, scene)
        wrong += [Violation(time.time(), "process", problem) for problem in problems]
        sizes = growth(seen["memory"], utterances) if utterances >= SMALL else {}
        return summary(seen, motion, logged, wrong, sizes, cable is not None)
    finally:
        if cable is not None:
            cable.close()
        if keep:
            console.print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--seed", type=int, default=0, help="of utterances and faults (default: 0)")
    parser.add_argument("--json", type=Path, help="also write this file, and a plot of the memory beside it")
    parser.add_argument("--without-model", action="store_true", help="leave out the language model in the cloud")
    parser.add_argument("--only", nargs="*", default=(), metavar="FAULT", help="these faults alone")
    parser.add_argument("--keep", action="store_true", help="leave logs and output of every process where they are")
    arguments = parser.parse_args()
    network.enter()
    isolate()
    if os.environ.get(network.INSIDE):
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"  # both ends of the cable, and nobody else is there
        os.environ.pop("ROS_LOCALHOST_ONLY", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        results = soak(
            arguments.utterances, arguments.seed, not arguments.without_model, arguments.only, console, arguments.keep
        )
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    show(results, console)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        if arguments.utterances >= SMALL:
            plot(results, arguments.json.with_suffix(".png"))
        arguments.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if results["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
