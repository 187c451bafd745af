"""`shadow-intent demo`: every part for real on this machine, a mock robot, and a dozen utterances in two languages."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
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

from shadow_intent.cast import Cast, await_, isolate, isolation, listening, program, start_intent_node
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
SIM_SCRIPT = (
    "sit down please",
    "站起来",
    "go forward two metres",
    "向左转九十度",
    "do a front flip",
    "no, don't",
    "he told me to sit down",
    "walk forward four metres",
    "stop!",
    "向右转九十度",
    "后退一米",
    "sit down and then wave",
    "跳个舞",
)
"""Spoken to the simulated robot, which has legs but no acrobatics."""
RECORDING = "movements"
"""File of the simulated robot's movements, in the folder of the session."""
INTERRUPTED = "walk forward four metres"
"""The next utterance follows while the robot still walks."""
WIDTH = 150
"""Columns of the table where there is no terminal to ask."""


def demo(keep: bool, bundle: str = "", film: Path | None = None) -> int:
    """Plays a script, then takes utterances from a terminal. 1 when a part died or did not end well, 130 interrupted.

    `keep`: the folder with the log stays. `bundle`: folder, "" for the bundle that ships. `film`: the robot is
    simulated, and filmed into this file.
    """
    isolate()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
    folder = Path(tempfile.mkdtemp(prefix="shadow_intent_demo_"))
    cast = Cast(folder)
    failure, status = "", 0
    stories: list[Story] = []
    try:
        stories = perform(cast, console, bundle, simulated=film is not None)
    except ShadowIntentError as error:
        failure = str(error)
    except KeyboardInterrupt:
        status = 130
    finally:
        problems = cast.stop()
    for log in (folder / "log").glob("*"):
        counts = Counter(event.topic for event in read_events(log))
        console.print(f"The log held {', '.join(f'{n} {topic}' for topic, n in counts.items())}.")
    if film is not None and stories:
        failure = failure or draw(folder / RECORDING, stories, film, console)
    for problem in filter(None, [failure, *problems]):
        print(f"error: {problem}", file=sys.stderr)
    if keep or failure or problems:
        console.print(f"Log and output of every part: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if failure or problems else status


def perform(cast: Cast, console: Console, bundle: str, simulated: bool) -> list[Story]:
    """Starts the parts, plays a script, talks; returns what was played. Raises ShadowIntentError when a part fails."""
    from shadow_intent.nodes.witness import witness

    began = time.monotonic()
    cloud = cast.start("cloud_server", "shadow_intent.cloud.server", "--address", "127.0.0.1:0", "--bundle", bundle)
    robot = "sim_go2" if simulated else "mock_go2"
    cast.node(robot, **({"recording": str(cast.folder / RECORDING)} if simulated else {}))
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
        took = time.monotonic() - began
        console.print(f"cloud_server, {robot}, stop_node, skill_node and intent_node are up ({took:.1f} s)")
        console.print(f'In a second terminal: {isolation()} {program()} say "sit down"\n', soft_wrap=True)
        stories = play(cast, node, console, SIM_SCRIPT if simulated else SCRIPT)
        if sys.stdin.isatty():
            talk(cast, node, console)
    return stories


BREATH_S = 0.4
"""Between what is said: a yes to a question that nobody can have heard yet is refused."""


def play(cast: Cast, node: Witness, console: Console, script: Sequence[str]) -> list[Story]:
    """The script, as a table that grows."""
    stories = []
    table = Table("heard", "label", "p", "route", "the robot was sent", "what came back", "ms", row_styles=("", "dim"))
    with Live(table, console=console, vertical_overflow="visible"):
        for text in script:
            story = node.say(text)
            stories.append(story)
            if text == INTERRUPTED:
                await_(cast, node, partial(walks, story), f"the robot to walk after {text!r}")
            else:
                await_(cast, node, partial(node.over, story), f"the end of {text!r}")
            table.add_row(*map(Text, row(story)))
            time.sleep(BREATH_S)
    if not console.is_terminal:
        console.print()  # Live leaves the last line open there
    return stories


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


def draw(recording: Path, stories: list[Story], path: Path, console: Console) -> str:
    """Films the session; returns what went wrong, "" when nothing did."""
    from shadow_intent.film import Caption, film

    captions = []
    for story in stories:
        began = story.stamp_ns * 1e-9
        heard, label, probability, route, _, back, _ = row(story)
        decided = f"{label}  p = {probability}  →  {route}"
        captions.append(Caption(began, heard, decided))
        captions.append(Caption(began + story.last_at - story.began, heard, f"{decided}  →  {back}"))
    try:
        with console.status("drawing the film"):
            frames = film(recording, captions, path)
    except ShadowIntentError as error:
        return str(error)
    console.print(f"{path}: {frames} frames, {path.stat().st_size / 2**20:.1f} MiB")
    return ""


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
