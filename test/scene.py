"""A guard with a clock and a robot, for the guard's tests."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from shadow_intent.guard import Guard
from shadow_intent.jobs import Action, Command, Rules, Say, Send, Status
from shadow_intent.motion import Ramps
from shadow_intent.robot import RobotState
from shadow_intent.skills import load_skills

RULES = Rules(
    allow_hazardous=False,
    confirm_window_s=8.0,
    state_timeout_s=0.5,
    max_command_age_s=2.0,
    duplicate_window_s=0.5,
    response_timeout_s=1.0,
    min_battery_percent=15,
)
TABLE = load_skills()
STANDING, LOCKED = RobotState(mode=1), RobotState(mode=6)
SITTING, LYING, DAMPED = RobotState(mode=10), RobotState(mode=5), RobotState(mode=7)
FALLEN = RobotState(mode=1, roll=1.6)
NAMES = {1001: "Damp", 1002: "BalanceStand", 1003: "StopMove", 1004: "StandUp", 1008: "Move", 1010: "RiseSit"}


class Scene:
    """A guard, a clock and a robot that goes on reporting the same state."""

    def __init__(self, state: RobotState | None = STANDING, firmware: str = "mcf", **rules: Any) -> None:
        self.guard = Guard(TABLE, firmware, replace(RULES, **rules), Ramps(0.8, 2.0), count(1).__next__)
        self.state, self.now, self.all = state, 0.0, list[Action]()
        self.fields: dict[str, Any] = {}
        """Of every command, where it says nothing else."""
        self.see()

    def see(self) -> None:
        self.guard.stop_node(self.now)
        if self.state is not None:
            self.guard.robot(self.state, self.now)

    def keep(self, actions: list[Action]) -> Scene:
        self.all += actions
        return self

    def hear(self, label: str, utterance: str = "", at: float | None = None, **fields: Any) -> Scene:
        """A command a second after the last event, so that none is a duplicate."""
        self.now = self.now + 1.0 if at is None else at
        self.see()
        return self.keep(self.guard.command(Command(utterance or label, label, **{**self.fields, **fields}), self.now))

    def wait(self, seconds: float, answer: int | None = 0) -> Scene:
        """Ticks at 20 Hz; the robot answers every request with `answer` at once, or never."""
        for _ in range(round(seconds * 20)):
            if answer is not None:
                self.answer(answer)
            self.now += 0.05
            self.see()
            self.keep(self.guard.tick(self.now))
        return self

    def answer(self, code: int) -> Scene:
        for request in [a.request for a in self.all if isinstance(a, Send) and not a.request.noreply]:
            self.keep(self.guard.response(request.id, code, self.now))
        return self

    @property
    def sent(self) -> list[str]:
        """Names of the requests, runs of Move as one."""
        return self.sent_since(0)

    def sent_since(self, action: int) -> list[str]:
        """The same, from the action with this number on."""
        names = [NAMES.get(a.request.api_id, str(a.request.api_id)) for a in self.all[action:] if isinstance(a, Send)]
        return [n for i, n in enumerate(names) if n != "Move" or i == 0 or names[i - 1] != "Move"]

    @property
    def said(self) -> list[str]:
        return [a.text for a in self.all if isinstance(a, Say)]

    def states(self, utterance: str) -> list[str]:
        return [a.state for a in self.all if isinstance(a, Status) and a.utterance_id == utterance]

    def reason(self, utterance: str) -> str:
        return [a.reason for a in self.all if isinstance(a, Status) and a.utterance_id == utterance][-1]
