"""Spoken distances, angles and stops, measured on a simulated body: `python -m benchmarks.motion [--json FILE]`.

Needs the extra `sim`. Each row is one command said to the robot side (pipeline, guard, motion; `benchmarks.virtual`)
with a Go2 walking in MuJoCo under a learned policy, in simulated time. With --ros the same is said over DDS to the real
nodes beside sim_go2, in real time.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from benchmarks.virtual import Sample, VirtualRobot

LEAST = 30
"""Commands that have to run and end within tolerance."""
HANDED_OVER = "handed over"
"""Outcome of a command that the robot was not sure of and asked the cloud about: nothing moves, nothing to measure."""
WAY_SHARE, WAY_M, ANGLE_DEG = 0.1, 0.15, 10.0
"""Allowed off the goal: a tenth of the way and at least 0.15 m, and degrees of heading."""
HALT_S = 0.5
"""From the word to standing still."""
STILL_M_S, STILL_RAD_S, WINDOW_S = 0.1, 0.3, 0.2
"""It stands still when it moves less than this, over a window of so many seconds; it sways as it steps."""
COMMAND_S, SETTLE_S, UNDER_WAY_S = 40.0, 1.5, 1.5
"""Longest command, rest before the next, and how long it moves before a stop, seconds."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A command and where it should end, seen from where it began."""

    text: str
    forward_m: float = 0.0
    left_m: float = 0.0
    turn_deg: float = 0.0
    """Counter-clockwise."""


COMMANDS = (
    Spoken("go forward two metres", 2.0),
    Spoken("往前走两米", 2.0),
    Spoken("walk forward one and a half metres", 1.5),
    Spoken("向前走一米五", 1.5),
    Spoken("move ahead 50 centimeters", 0.5),
    Spoken("go straight for three metres", 3.0),
    Spoken("前进三米", 3.0),
    Spoken("take two steps forward", 0.6),
    Spoken("往前走两步", 0.6),
    Spoken("walk forward slowly for one metre", 1.0),
    Spoken("慢慢往前走一米", 1.0),
    Spoken("move forward ten feet", 3.048),
    Spoken("go back one metre", -1.0),
    Spoken("后退一米", -1.0),
    Spoken("back up half a meter", -0.5),
    Spoken("往后退半米", -0.5),
    Spoken("step left half a metre", 0.0, 0.5),
    Spoken("向左平移半米", 0.0, 0.5),
    Spoken("sidestep to the right one metre", 0.0, -1.0),
    Spoken("往右挪一米", 0.0, -1.0),
    Spoken("slide left 30 centimetres", 0.0, 0.3),
    Spoken("turn left ninety degrees", turn_deg=90.0),
    Spoken("左转九十度", turn_deg=90.0),
    Spoken("turn right ninety degrees", turn_deg=-90.0),
    Spoken("向右转九十度", turn_deg=-90.0),
    Spoken("turn right 45 degrees", turn_deg=-45.0),
    Spoken("向右转四十五度", turn_deg=-45.0),
    Spoken("rotate left 30 degrees", turn_deg=30.0),
    Spoken("左转三十度", turn_deg=30.0),
    Spoken("half a turn left", turn_deg=180.0),
    Spoken("向左转半圈", turn_deg=180.0),
    Spoken("turn around", turn_deg=180.0),
    Spoken("掉头", turn_deg=180.0),
    Spoken("spin around once", turn_deg=360.0),
    Spoken("原地转一圈", turn_deg=360.0),
)
STOPS = (
    ("go forward four metres", "stop"),
    ("往前走四米", "停"),
    ("spin around twice", "freeze"),
    ("向左平移两米", "别动"),
    ("go back two metres", "halt right now"),
)
"""What it is doing, and the word that ends it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A command and what the body did."""

    text: str
    label: str
    outcome: str
    """Last skill_status of the command, or where it was routed instead."""
    wanted: str
    forward_m: float
    left_m: float
    turn_deg: float
    seconds: float
    """From the word to the outcome; of a stop, to standing still."""
    within: bool


class Stage(Protocol):
    """A robot that can be told things: simulated time or real."""

    samples: list[Sample]

    def tell(self, text: str) -> tuple[str, str]:
        """Says it and waits for the end; label, and outcome."""
        ...

    def begin(self, text: str) -> None:
        """Says it and lets it go on for `UNDER_WAY_S`."""
        ...

    def rest(self) -> None:
        """Waits for `SETTLE_S`."""
        ...


class Virtual:
    """In simulated time."""

    def __init__(self, robot: VirtualRobot) -> None:
        self.robot, self.samples = robot, robot.samples

    def tell(self, text: str) -> tuple[str, str]:
        """Says it and waits for the end."""
        decision = self.robot.say(text)
        self.robot.wait(lambda: not self.robot.busy, COMMAND_S)
        mine = [s for s in self.robot.statuses if s.utterance_id == decision.utterance.utterance_id]
        return decision.label, mine[-1].state if mine else outcome_without_skill(decision.route.value)

    def begin(self, text: str) -> None:
        """Says it and lets it go on."""
        self.robot.say(text)
        self.robot.run(UNDER_WAY_S)

    def rest(self) -> None:
        """Waits."""
        self.robot.run(SETTLE_S)


def outcome_without_skill(route: str) -> str:
    """Of a command that was no skill."""
    return HANDED_OVER if route == "remote" else route


def travelled(samples: Sequence[Sample]) -> tuple[float, float, float]:
    """Metres forward and left of where it began, and degrees turned in all."""
    first, last = samples[0], samples[-1]
    dx, dy, c, s = last.x - first.x, last.y - first.y, math.cos(first.yaw), math.sin(first.yaw)
    turn = sum(math.remainder(b.yaw - a.yaw, math.tau) for a, b in pairwise(samples))
    return c * dx + s * dy, c * dy - s * dx, math.degrees(turn)


def halted_after(samples: Sequence[Sample]) -> float:
    """Seconds from the first sample until the body has stood still; infinity when it does not."""
    still = None
    for sample in samples:
        earlier = [other for other in samples if sample.now - WINDOW_S <= other.now <= sample.now]
        span = sample.now - earlier[0].now
        if span < WINDOW_S / 2:
            continue
        speed = math.hypot(sample.x - earlier[0].x, sample.y - earlier[0].y) / span
        turning = abs(math.remainder(sample.yaw - earlier[0].yaw, math.tau)) / span
        if speed > STILL_M_S or turning > STILL_RAD_S:
            still = None
        elif still is None:
            still = sample.now - WINDOW_S / 2  # the mean over the window lags by half of it
    return math.inf if still is None else max(0.0, still - samples[0].now)


def measure(stage: Stage, spoken: Spoken) -> Row:
    """Says one command."""
    stage.rest()
    first = len(stage.samples) - 1
    label, outcome = stage.tell(spoken.text)
    seconds = stage.samples[-1].now - stage.samples[first].now
    stage.rest()
    forward, left, turn = travelled(stage.samples[first:])
    allowed = max(WAY_M, WAY_SHARE * math.hypot(spoken.forward_m, spoken.left_m))
    near = math.hypot(forward - spoken.forward_m, left - spoken.left_m) <= allowed
    within = outcome == "succeeded" and near and abs(turn - spoken.turn_deg) <= ANGLE_DEG
    wanted = f"{spoken.turn_deg:+.0f}°" if spoken.turn_deg else f"{spoken.forward_m:+.2f} m {spoken.left_m:+.2f} m"
    return Row(spoken.text, label, outcome, wanted, forward, left, turn, seconds, within)


def measure_stop(stage: Stage, text: str, word: str) -> Row:
    """Interrupts a movement."""
    stage.rest()
    stage.begin(text)
    first = len(stage.samples) - 1
    label, outcome = stage.tell(word)
    stage.rest()
    forward, left, turn = travelled(stage.samples[first:])
    seconds = round(halted_after(stage.samples[first:]), 6)  # a clock of summed steps has dust in its last digits
    within = outcome == "succeeded" and seconds <= HALT_S
    return Row(f"{text} … {word}", label, outcome, f"still in {HALT_S} s", forward, left, turn, seconds, within)


class Real:
    """The nodes in processes of their own, in real time."""

    def __init__(self, node: Any, cast: Any) -> None:
        from shadow_intent.nodes import interfaces

        self.node, self.cast = node, cast
        self.samples: list[Sample] = []
        interfaces.SPORT_STATE.subscribe(node, self._on_state)
        node.wait(lambda: self.samples, COMMAND_S)

    def tell(self, text: str) -> tuple[str, str]:
        """Says it and waits for the end."""
        from shadow_intent.cast import await_

        story = self.node.say(text)
        await_(self.cast, self.node, lambda: self.node.over(story), f"the end of {text!r}")
        mine = [s for s in story.statuses if s.utterance_id == story.decision.utterance_id]
        return story.decision.label, mine[-1].state if mine else outcome_without_skill(story.decision.decision)

    def begin(self, text: str) -> None:
        """Says it and lets it go on."""
        self.node.say(text)
        time.sleep(UNDER_WAY_S)

    def rest(self) -> None:
        """Waits."""
        time.sleep(SETTLE_S)

    def _on_state(self, message: Any) -> None:
        x, y, _ = message.position
        self.samples.append(Sample(time.monotonic(), float(x), float(y), float(message.imu_state.rpy[2])))


@contextmanager
def virtual_stage(bundle: str) -> Iterator[Stage]:
    """Pipeline, guard and body in this process."""
    from shadow_intent.bundle import Bundle
    from shadow_intent.nodes.sim_body import SimBody
    from shadow_intent.pipeline import Pipeline

    yield Virtual(VirtualRobot(Pipeline.from_bundle(Bundle.load(bundle)), SimBody("standing")))


@contextmanager
def real_stage(bundle: str) -> Iterator[Stage]:
    """sim_go2, stop_node, skill_node and intent_node over DDS; no cloud."""
    from shadow_intent.cast import Cast, await_, isolate, start_intent_node
    from shadow_intent.nodes.witness import witness

    isolate()
    with tempfile.TemporaryDirectory() as folder:
        cast = Cast(Path(folder))
        try:
            cast.node("sim_go2")
            cast.node("stop_node", robot="mock")
            cast.node("skill_node", robot="mock")
            start_intent_node(cast, "", bundle)
            with witness() as node:
                for name in ("skill_node", "intent_node"):
                    node.activate(name)
                await_(cast, node, lambda: node.ready(robot=True), "the nodes to find each other")
                yield Real(node, cast)
        finally:
            cast.stop()


def play(make_stage: Callable[[str], Any], bundle: str) -> list[Row]:
    """The whole table."""
    with make_stage(bundle) as stage:
        rows = [measure(stage, spoken) for spoken in COMMANDS]
        return rows + [measure_stop(stage, *stop) for stop in STOPS]


def verdict(row: Row) -> str:
    """For the table."""
    return "-" if row.outcome == HANDED_OVER else "yes" if row.within else "NO"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.motion", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="", help="bundle folder (default: the shipped one)")
    parser.add_argument("--ros", action="store_true", help="over DDS, in real time (about four minutes)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    rows = play(real_stage if arguments.ros else virtual_stage, arguments.bundle)
    table = Table(title="spoken, and what the body did")
    for column in ("said", "label", "outcome", "wanted", "forward m", "left m", "turn °", "s", "within"):
        table.add_column(column, justify="right" if column in ("forward m", "left m", "turn °", "s") else "left")
    for row in rows:
        way = (f"{row.forward_m:+.2f}", f"{row.left_m:+.2f}", f"{row.turn_deg:+.0f}", f"{row.seconds:.2f}")
        table.add_row(row.text, row.label, row.outcome, row.wanted, *way, verdict(row))
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    summary = {
        "commands": len(rows),
        "handed_over": sum(row.outcome == HANDED_OVER for row in rows),
        "within_tolerance": sum(row.within for row in rows),
    }
    ran = summary["commands"] - summary["handed_over"]
    console.print(
        f"{summary['within_tolerance']} of {ran} that ran within tolerance; {summary['handed_over']} handed over"
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        results = {"ros": arguments.ros, **summary, "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if LEAST <= ran == summary["within_tolerance"] else 1


if __name__ == "__main__":
    sys.exit(main())
