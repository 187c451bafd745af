"""`shadow-intent demo`: every part for real on this machine, a mock robot, and a dozen utterances in two languages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shadow_intent.errors import ShadowIntentError
from shadow_intent.event_log import read_events

if TYPE_CHECKING:
    from shadow_intent.nodes.witness import Story, Witness

SCRIPT = (
    "sit down please",
    "站起来",
    "go forward half a metre",
    "向左转九十度",
    "he told me to sit down",
    "do a front flip",
    "yes, do it",
    "walk forward four metres",
    "stop!",
    "打个招呼",
    "why is the sky blue",
    "sit down and then wave",
    "天空为什么是蓝色的",
    "还有多少电",
)
"""Spoken in turn."""
INTERRUPTED = "walk forward four metres"
"""The next utterance follows while the robot still walks."""
STORY_S = 60.0
"""An utterance and all that follows may take this long, seconds."""
CLOUD_S = 300.0
"""Until the cloud server answers, seconds; the first time it unpacks the base model."""
DEADLINE_S = "30.0"
"""Of a request to the cloud, seconds."""
STOP_S = 10.0
"""Until a part ends after SIGINT, seconds."""
WIDTH = 150
"""Columns of the table where there is no terminal to ask."""


@dataclass(slots=True)
class Part:
    """A process of the demo."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    """What it prints."""

    def last_words(self) -> str:
        """The end of its output."""
        return " | ".join(self.output.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])


class Cast:
    """The processes, started and stopped together."""

    def __init__(self, folder: Path) -> None:
        """`folder`: for what they print."""
        self.folder = folder
        self.parts: list[Part] = []

    def start(self, name: str, module: str, *arguments: str) -> Part:
        """`python -m module arguments`."""
        output = self.folder / f"{name}.txt"
        with output.open("wb") as stream:
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
        self.parts.append(Part(name, process, output))
        return self.parts[-1]

    def node(self, name: str, **parameters: str) -> Part:
        """A ROS node of this package."""
        values = [item for key, value in parameters.items() for item in ("-p", f"{key}:={value}")]
        return self.start(name, f"shadow_intent.nodes.{name}", "--ros-args", *values)

    def check(self) -> None:
        """Raises ShadowIntentError when a part died."""
        for part in self.parts:
            if part.process.poll() is not None:
                status = part.process.returncode
                raise ShadowIntentError(f"{part.name} ended with status {status}: {part.last_words()}")

    def stop(self) -> list[str]:
        """Ends everything; returns what did not end well."""
        problems = []
        for part in reversed(self.parts):
            if part.process.poll() is None:
                part.process.send_signal(signal.SIGINT)
        for part in reversed(self.parts):
            try:
                status = part.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                part.process.kill()
                status = part.process.wait()
            if status != 0:
                problems.append(f"{part.name} ended with status {status}: {part.last_words()}")
        return problems


def demo(keep: bool, bundle: str = "") -> int:
    """Plays `SCRIPT`, then takes utterances from a terminal. 1 when a part died or did not end well, 130 interrupted.

    `keep`: the folder with the log stays. `bundle`: folder, "" for the bundle that ships.
    """
    isolate()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
    folder = Path(tempfile.mkdtemp(prefix="shadow_intent_demo_"))
    cast = Cast(folder)
    failure, status = "", 0
    try:
        perform(cast, console, bundle)
    except ShadowIntentError as error:
        failure = str(error)
    except KeyboardInterrupt:
        status = 130
    finally:
        problems = cast.stop()
    for problem in filter(None, [failure, *problems]):
        print(f"error: {problem}", file=sys.stderr)
    for log in (folder / "log").glob("*"):
        counts = Counter(event.topic for event in read_events(log))
        console.print(f"The log held {', '.join(f'{n} {topic}' for topic, n in counts.items())}.")
    if keep or failure or problems:
        console.print(f"Log and output of every part: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failure or problems else status


def isolate() -> None:
    """A ROS domain of our own on the loopback interface: no robot on the network is ever reached.

    Set before rclpy loads. Domains above 101 collide with Linux's ephemeral ports.
    """
    os.environ["ROS_DOMAIN_ID"] = str(42 + os.getpid() % 60)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def perform(cast: Cast, console: Console, bundle: str) -> None:
    """Starts the parts, plays the script, talks. Raises ShadowIntentError when a part fails."""
    from shadow_intent.nodes.witness import witness

    began = time.monotonic()
    cloud = cast.start("cloud_server", "shadow_intent.cloud.server", "--address", "127.0.0.1:0", "--bundle", bundle)
    cast.node("mock_go2")
    cast.node("stop_node", robot="mock")
    cast.node("skill_node", robot="mock", allow_hazardous="true")
    console.print("Starting the cloud server; the first time it unpacks its language model, about half a minute.")
    with console.status("loading the language model"):
        address = listening(cast, cloud)
    start_intent_node(cast, address, bundle)
    with witness() as node:
        with console.status("activating the nodes"):
            for name in ("skill_node", "intent_node"):
                node.activate(name)
            await_(cast, node, lambda: node.ready(robot=True), "the nodes to find each other")
        console.print(f"cloud_server, mock_go2, skill_node and intent_node are up ({time.monotonic() - began:.1f} s)\n")
        play(cast, node, console)
        if sys.stdin.isatty():
            talk(cast, node, console)


def start_intent_node(cast: Cast, address: str, bundle: str) -> None:
    """It logs below the cast's folder. A laptop that plays cloud and robot at once gets more time to answer."""
    texts = {"cloud_address": address, "log_directory": str(cast.folder / "log"), "bundle": bundle}
    cast.node("intent_node", cloud_deadline_s=DEADLINE_S, **{name: f'"{text}"' for name, text in texts.items()})


def listening(cast: Cast, cloud: Part) -> str:
    """Waits until the server says where it listens; returns host:port."""
    mark, end = "listening on ", time.monotonic() + CLOUD_S
    while time.monotonic() < end:
        cast.check()
        for line in cloud.output.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(mark):
                return line.removeprefix(mark)
        time.sleep(0.1)
    raise ShadowIntentError(f"cloud_server did not listen within {CLOUD_S:g} s: {cloud.last_words()}")


def await_(cast: Cast, node: Witness, condition: Callable[[], bool], what: str) -> None:
    """Waits for `condition`. Raises ShadowIntentError when a part dies or time is up."""
    end = time.monotonic() + STORY_S
    while not node.wait(condition, seconds=1.0):
        cast.check()
        if time.monotonic() > end:
            raise ShadowIntentError(f"waited {STORY_S:g} s for {what}")


def play(cast: Cast, node: Witness, console: Console) -> None:
    """The script, as a table that grows."""
    table = Table("heard", "label", "p", "route", "the robot was sent", "what came back", "ms", row_styles=("", "dim"))
    with Live(table, console=console, vertical_overflow="visible"):
        for text in SCRIPT:
            story = node.say(text)
            if text == INTERRUPTED:
                await_(cast, node, partial(walks, story), f"the robot to walk after {text!r}")
            else:
                await_(cast, node, partial(node.over, story), f"the end of {text!r}")
            table.add_row(*map(Text, row(story)))
    if not console.is_terminal:
        console.print()  # Live leaves the last line open there


def walks(story: Story) -> bool:
    """About a second of velocities went out."""
    return len(story.requests) > 20


def talk(cast: Cast, node: Witness, console: Console) -> None:
    """Utterances from the terminal until "quit", the end of input or Ctrl-C."""
    from shadow_intent.nodes.say import tell

    (log,) = (cast.folder / "log").iterdir()
    console.print(f"\nEverything is in the log: shadow-intent log {log}")
    console.print('Your turn. Say something to the robot, in English or Chinese; "quit" leaves.')
    node.watch = tell
    while True:
        try:
            text = console.input("say> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text in ("quit", "exit"):
            return
        if text:
            story = node.say(text)
            await_(cast, node, partial(node.over, story), f"the end of {text!r}")


def row(story: Story) -> tuple[str, ...]:
    """heard, label, p, route, sent, came back, ms"""
    decision, effect = story.decision, story.effect_ms()
    if decision is None:
        return (story.text, "", "", "", "", "no intent", "")
    route = {"stop": "stop"}.get(decision.source) or {"remote": "cloud"}.get(decision.decision, decision.decision)
    return (
        story.text,
        decision.label,
        f"{decision.probability:.2f}",
        route,
        sent(story),
        came_back(story),
        "" if effect is None else f"{effect:.0f}",
    )


def sent(story: Story) -> str:
    """The requests in order; a run of the same is one, a run of Moves the fastest of them."""
    runs = [list(run) for _, run in groupby(story.requests, key=attrgetter("name"))]
    fastest = [max(run, key=lambda request: sum(map(abs, request.values.values()))) for run in runs if run]
    return ", ".join(f"{top} x{len(run)}" if len(run) > 1 else str(top) for top, run in zip(fastest, runs, strict=True))


def came_back(story: Story) -> str:
    """Outcomes, then what was said."""
    decision = story.decision
    if decision is not None and decision.decision == "ignore":
        return decision.reason
    ended = [s for s in story.statuses if s.state not in ("accepted", "running") and s.utterance_id]
    told = [s.state if len(ended) == 1 else f"{s.label} {s.state}" for s in ended]
    return "; ".join([*told, *story.said]) or "under way"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
