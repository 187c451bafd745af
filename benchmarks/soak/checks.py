"""What must hold whatever happened, judged from what was seen. No ROS, no clock: times are seconds since the epoch.

Motion: an order is an intent or plan step that names a skill; its life lasts from the status `accepted` to the last
status, to the death of skill_node, or to the time the command may take at most, whichever comes first. No velocity may
be sent later than `LEASE_S` after all lives, and the body must rest `REST_S` after them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.judge import Judge
from shadow_intent.intent import Slots
from shadow_intent.motion import Goal
from shadow_intent.robot import MOVE, Request
from shadow_intent.skills import SkillTable

LEASE_S = 0.3
"""stop_node's lease: so long a velocity may outlive its command."""
REST_S = 1.0
"""The robot halts by itself 0.5 s after the last velocity that reached it, and brakes for 0.2 s; the rest is slack."""
STALE_S = 4.5
"""No request for the body may reach the robot so long after it was sent: `interfaces.CALL_LIFESPAN_S`, and slack."""
GAP_S = 0.3
"""Poses further apart tell only that something happened between them."""
SLOW = 0.02, 0.05
"""A body below both stands still, m/s and rad/s."""
OPEN = ("accepted", "running")
STOPS = (1001, 1003)
"""Damp and StopMove are welcome at any time."""


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody wants a skill."""

    at: float
    utterance_id: str
    label: str
    slots: Slots
    forbidden: bool
    """The utterance was too old, from the future, or of nobody."""


@dataclass(frozen=True, slots=True)
class Status:
    """A message of skill_status."""

    at: float
    utterance_id: str
    label: str
    state: str
    parameter: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be."""

    at: float
    rule: str
    detail: str


@dataclass(slots=True)
class Evidence:
    """What the observer beside the robot wrote down, with what the speaker heard and did."""

    rows: Sequence[Sequence[Any]]
    """Lines of soak/observer.py."""
    orders: Sequence[Order]
    statuses: Sequence[Status]
    deaths: Sequence[float] = ()
    """When skill_node died."""
    reboots: Sequence[float] = ()
    """When the robot began anew, at its origin."""
    wakings: Sequence[float] = ()
    """When it went on after it had hung: it carries out what had reached it before, the StopMove last."""


@dataclass(frozen=True, slots=True)
class Life:
    """Of one command that may move the robot."""

    began: float
    ended: float
    utterance_id: str
    label: str


class Spans:
    """The union of intervals."""

    def __init__(self, intervals: Iterable[tuple[float, float]]) -> None:
        self._begins: list[float] = []
        self._ends: list[float] = []
        for begin, end in sorted(intervals):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def touch(self, begin: float, end: float) -> bool:
        """Whether any part of [begin, end] lies inside."""
        i = bisect_right(self._begins, end) - 1
        return i >= 0 and self._ends[i] >= begin

    def since(self, at: float) -> float:
        """How long ago the last one ended; 0 inside, infinite before the first."""
        i = bisect_right(self._begins, at) - 1
        return float("inf") if i < 0 else max(0.0, at - self._ends[i])


@dataclass(slots=True)
class Motion:
    """How the robot was moved."""

    requests: int = 0
    moves: int = 0
    """Velocities that are not zero."""
    lives: int = 0
    worst_s: float = 0.0
    """The longest a velocity was sent after the end of all lives, seconds."""
    travelled_m: float = 0.0
    violations: list[Violation] = field(default_factory=list)


def limit_s(order: Order, table: SkillTable) -> float:
    """The longest a motion may take: rising, the way at the slowest speed, and the answer to the last StopMove."""
    slowest = min(table.speeds.values())
    factor = table.speeds[order.slots.speed] if order.slots.speed else slowest
    return 2 * table["stand_up"].seconds + Goal.of(table[order.label], order.slots, factor).time_limit_s + 1.0


def lives_of(evidence: Evidence, table: SkillTable) -> tuple[list[Life], list[Violation]]:
    """Of every motion that was accepted, and those accepted without an order."""
    orders = {(o.utterance_id, o.label): o for o in evidence.orders}
    statuses = [s for s in evidence.statuses if s.label in table.skills and table[s.label].action == "motion"]
    deaths = sorted(evidence.deaths)
    found, wrong = [], []
    begun: dict[tuple[str, str], float] = {}

    def end(key: tuple[str, str], began: float, at: float) -> None:
        order = orders.get(key)
        i = bisect_right(deaths, began)
        if order is None or order.forbidden or order.at > began:
            wrong.append(Violation(began, "order", f"{key[1]} was accepted without a valid order"))
            return
        ended = min(at, began + limit_s(order, table), deaths[i] if i < len(deaths) else at)
        found.append(Life(began, ended, *key))

    for status in sorted(statuses, key=lambda s: s.at):
        key = status.utterance_id, status.label
        if status.state in OPEN:
            begun.setdefault(key, status.at)
        elif (began := begun.pop(key, None)) is not None:
            end(key, began, status.at)
    for key, began in begun.items():
        end(key, began, float("inf"))
    return found, wrong


def judge_motion(evidence: Evidence, table: SkillTable) -> Motion:
    """Everything the robot was sent and did."""
    lives, wrong = lives_of(evidence, table)
    motion = Motion(lives=len(lives), violations=wrong)
    spans, judge = Spans((life.began, life.ended) for life in lives), Judge(table)
    for _, sent, received, service, api_id, parameter in (row for row in evidence.rows if row[0] == "request"):
        values = json.loads(parameter or "{}")
        motion.requests += 1
        request = Request(0, service, api_id, values)
        for rule, fault in (("hazard", judge.hazard(request)), ("bounds", judge.fault(request))):
            if fault:
                motion.violations.append(Violation(sent, rule, fault))
        if service != "sport" or api_id in STOPS:
            continue
        if received - sent > STALE_S:
            motion.violations.append(Violation(received, "stale", f"{api_id} came {received - sent:.1f} s late"))
        if api_id == MOVE and any(values.values()):
            motion.moves += 1
            late = spans.since(sent)
            if late > LEASE_S:
                motion.violations.append(Violation(sent, "motion", f"Move {parameter} {late:.2f} s after any command"))
            else:
                motion.worst_s = max(motion.worst_s, late)
    moving = [(life.began, life.ended + REST_S) for life in lives]
    moving += [(at, at + REST_S) for at in evidence.wakings]
    _judge_poses(motion, evidence, Spans(moving))
    return motion


def _judge_poses(motion: Motion, evidence: Evidence, spans: Spans) -> None:
    """The body moves only while it may."""
    poses = np.array([row[1:5] for row in evidence.rows if row[0] == "pose"], dtype=float).reshape(-1, 4)
    reboots = Spans((at, at + GAP_S) for at in evidence.reboots)
    for (t0, x0, y0, yaw0), (t1, x1, y1, yaw1) in pairwise(poses):
        way, turn = float(np.hypot(x1 - x0, y1 - y0)), abs(float(np.angle(np.exp(1j * (yaw1 - yaw0)))))
        span = min(max(t1 - t0, 1e-3), GAP_S)
        if (way <= SLOW[0] * span and turn <= SLOW[1] * span) or reboots.touch(t0, t1):
            continue
        motion.travelled_m += way
        if not spans.touch(t0, t1):
            motion.violations.append(Violation(t1, "drift", f"moved {way:.3f} m, {turn:.3f} rad without a command"))


@dataclass(slots=True)
class Logged:
    """What the logs hold, by the stamp of the utterance, nanoseconds."""

    heard: set[int] = field(default_factory=set)
    decided: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    """Requests to the cloud of which it was told how they ended."""
    records: int = 0

    def add(self, topic: str, fields: Mapping[str, Any]) -> None:
        """One event."""
        self.records += 1
        if topic in ("voice_command", "intent"):
            stamp = fields["header"]["stamp"]
            where = self.heard if topic == "voice_command" else self.closed
            where = self.decided if fields.get("source") in ("edge", "stop") else where
            where.add(stamp["sec"] * 1_000_000_000 + stamp["nanosec"])

    def missing(self, decided: Mapping[int, float], closed: Mapping[int, float]) -> list[Violation]:
        """What was seen and is not here. Of both: stamp to when it was said."""
        wanted = (("heard", decided, self.heard), ("decided", decided, self.decided), ("closed", closed, self.closed))
        return [
            Violation(at, "log", f"an utterance that was {what} is not in the log")
            for what, seen, held in wanted
            for stamp, at in seen.items()
            if stamp not in held
        ]


def growth_mb(samples: Sequence[tuple[int, float]]) -> float:
    """What the line through (utterances, megabytes) rises from the first to the last."""
    if len(samples) < 3:
        return 0.0
    x, y = np.array(samples, dtype=float).T
    return float(np.polyfit(x - x[0], y, 1)[0] * (x[-1] - x[0])) if x[-1] > x[0] else 0.0
