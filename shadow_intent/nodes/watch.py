"""`shadow-intent watch`: what is heard, decided and done, and where the robot is, live in a terminal."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from unitree_api.msg import Request
from unitree_go.msg import LowState

from shadow_intent import msg
from shadow_intent.api_names import api_name
from shadow_intent.intent import printable
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import robot_state_from_msg, sport_state_from_bytes, stamp_to_ns
from shadow_intent.nodes.dds import use_safe_profile
from shadow_intent.nodes.run import Spinner
from shadow_intent.robot import QUERIES, RobotState

ROWS = 12
"""Utterances that are shown."""
REFRESH_HZ = 8.0
STALE_S = 1.0
"""Robot state older than this is marked, seconds."""
WIDTH = 140
"""Columns where there is no terminal to ask."""
_OPEN = (msg.SkillStatus.ACCEPTED, msg.SkillStatus.RUNNING)
_COLOURS = {"succeeded": "green", "refused": "red", "timed_out": "red", "preempted": "yellow"}


@dataclass(slots=True)
class Line:
    """One utterance and what became of it."""

    intent: msg.Intent
    skills: dict[str, msg.SkillStatus] = field(default_factory=dict)
    """Newest status by label."""
    reply: str = ""
    effect_ms: float | None = None
    """From the utterance's stamp to the first status or reply, milliseconds."""


class Watcher(Node):
    """Listens to every topic of the product and keeps the newest of each."""

    def __init__(self, namespace: str = "", robot_prefix: str = "") -> None:
        """`namespace`: of the nodes it watches; `robot_prefix`: as in launch/go2.launch.py."""
        super().__init__("watch", namespace=namespace, cli_args=interfaces.remapped(robot_prefix))
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._order: deque[str] = deque()
        self._state: RobotState | None = None
        self._state_at = -math.inf
        self._speed, self._battery = 0.0, -1
        self._sent = ""
        self._health: dict[str, tuple[bytes, str]] = {}
        interfaces.INTENT.subscribe(self, self._locked(self._on_intent))
        interfaces.SKILL_STATUS.subscribe(self, self._locked(self._on_status))
        interfaces.REPLY.subscribe(self, self._locked(self._on_reply))
        interfaces.SPORT_STATE.subscribe(self, self._locked(self._on_state), raw=True)
        interfaces.LOW_STATE.subscribe(self, self._locked(self._on_low_state))
        interfaces.DIAGNOSTICS.subscribe(self, self._locked(self._on_diagnostics))
        for service, topic in interfaces.REQUESTS.items():
            topic.subscribe(self, self._locked(lambda message, service=service: self._on_request(service, message)))

    def _locked(self, callback: Callable[..., None]) -> Callable[..., None]:
        def call(message: object) -> None:
            with self._lock:
                callback(message)

        return call

    def _on_intent(self, message: msg.Intent) -> None:
        if message.source in (msg.Intent.SOURCE_CLOUD, msg.Intent.SOURCE_SPEAKER):
            return  # tells how the first one of the utterance ended; the reply shows it
        self._lines[message.utterance_id] = Line(message)
        self._order.append(message.utterance_id)
        while len(self._order) > ROWS:
            self._lines.pop(self._order.popleft(), None)

    def _on_status(self, message: msg.SkillStatus) -> None:
        line = self._lines.get(message.utterance_id)
        if line is not None:
            line.skills[message.label] = message
            self._took_effect(line)

    def _on_reply(self, message: msg.Reply) -> None:
        line = self._lines.get(message.utterance_id)
        if line is not None:
            line.reply = message.text
            self._took_effect(line)

    def _took_effect(self, line: Line) -> None:
        if line.effect_ms is None:
            now = self.get_clock().now().nanoseconds
            line.effect_ms = (now - stamp_to_ns(line.intent.header.stamp)) * 1e-6

    def _on_request(self, service: str, message: Request) -> None:
        if (service, message.header.identity.api_id) not in QUERIES:
            self._sent = f"{api_name(service, message.header.identity.api_id)} {message.parameter}"

    def _on_state(self, data: bytes) -> None:
        message = sport_state_from_bytes(data)
        state = robot_state_from_msg(message) if message else None
        if message and state:
            self._state, self._state_at = state, time.monotonic()
            self._speed = math.hypot(*map(float, message.velocity[:2]))

    def _on_low_state(self, message: LowState) -> None:
        self._battery = message.bms_state.soc

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._health[status.name] = (status.level, status.message)

    def picture(self) -> RenderableType:
        """The whole view."""
        with self._lock:
            return Group(self._robot(), self._utterances(), self._nodes())

    def _robot(self) -> Panel:
        state = self._state
        if state is None:
            return Panel(Text(f"no message on {interfaces.SPORT_STATE.name} yet", style="dim"), title="robot")
        age = time.monotonic() - self._state_at
        text = Text.assemble(
            (state.posture, "bold"),
            f"   x {state.x:+.2f} m   y {state.y:+.2f} m   yaw {math.degrees(state.yaw):+.0f}°   ",
            f"{self._speed:.2f} m/s   ",
            f"battery {self._battery} %   " if self._battery >= 0 else "",
            (f"state {age:.1f} s old   ", "bold red") if age > STALE_S else "",
            (f"last sent {printable(self._sent)}", "dim"),
        )
        return Panel(text, title="robot")

    def _utterances(self) -> Table:
        table = Table(expand=True, row_styles=("", "dim"))
        for name in ("heard", "decision", "skill", "what the robot says", "ms decide", "ms effect"):
            table.add_column(name, justify="right" if name.startswith("ms") else "left", overflow="fold")
        for utterance_id in self._order:
            line = self._lines[utterance_id]
            intent = line.intent
            decision = f"{intent.decision} {intent.label} {intent.probability:.2f}"
            if intent.decision == msg.Intent.DECISION_IGNORE:
                decision = f"{intent.decision}: {intent.reason}"
            table.add_row(
                Text(printable(intent.text) or "(redacted)"),
                Text(printable(decision)),
                Text("\n").join(_skill(status) for status in line.skills.values()),
                Text(printable(line.reply)),
                f"{intent.latency_ms:.1f}",
                "" if line.effect_ms is None else f"{line.effect_ms:.0f}",
            )
        return table

    def _nodes(self) -> Text:
        parts = []
        for name, (level, message) in sorted(self._health.items()):
            good = level == DiagnosticStatus.OK
            parts.append(Text.assemble((f"{name}: ", "dim"), (message, "green" if good else "yellow")))
        return Text("   ").join(parts) if parts else Text("no diagnostics yet: is a node running?", style="dim")


def _skill(status: msg.SkillStatus) -> Text:
    reason = f": {status.reason}" if status.reason and status.state not in _OPEN else ""
    return Text(printable(f"{status.label} {status.state}{reason}"), style=_COLOURS.get(status.state, "cyan"))


def watch(seconds: float, namespace: str, robot_prefix: str) -> int:
    """Shows the view until Ctrl-C or for so many seconds; without a terminal it prints the last view."""
    use_safe_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    end = time.monotonic() + seconds
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        node = Watcher(namespace, robot_prefix)
        with (
            suppress(KeyboardInterrupt),
            Spinner(node) as spinner,
            Live(get_renderable=node.picture, console=console, refresh_per_second=REFRESH_HZ),
        ):
            while time.monotonic() < end and not spinner.failed:
                time.sleep(min(1.0 / REFRESH_HZ, max(0.0, end - time.monotonic())))
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    return int(spinner.failed)
