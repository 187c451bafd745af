"""The robot's side in one process and its own time: pipeline, guard and a Go2 with a body, without ROS.

What skill_node and sim_go2 do over DDS happens here step by step: states at 50 Hz, the guard at 20 Hz, answers one step
after their request. A minute takes seconds, and the same words always give the same movements.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from itertools import count
from typing import Any

import yaml

from shadow_intent.guard import Guard
from shadow_intent.intent import Decision, Route, Source, Utterance, is_chinese
from shadow_intent.jobs import Action, Command, Rules, Say, Send, Status
from shadow_intent.motion import Ramps
from shadow_intent.nodes.go2 import Body, Go2
from shadow_intent.pipeline import Pipeline
from shadow_intent.resources import share_path
from shadow_intent.robot import Request
from shadow_intent.skills import SkillTable, load_skills

STEP_S = 0.02
"""Time moves on by this, seconds; also the period of the robot's state."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Where the body is."""

    now: float
    """Seconds."""
    x: float
    y: float
    """Metres."""
    yaw: float
    """Radians."""


@cache
def _files() -> tuple[SkillTable, dict[str, Any]]:
    """The skill table, and the parameters of skill_node."""
    values = yaml.safe_load(share_path("config", "go2.yaml").read_text(encoding="utf-8"))
    return load_skills(), values["/**/skill_node"]["ros__parameters"]


class VirtualRobot:
    """A robot one can talk to. Everything it did is kept."""

    def __init__(self, pipeline: Pipeline, body: Body, posture: str = "standing", **rules: Any) -> None:
        """`rules` differ from the defaults in config/go2.yaml."""
        table, defaults = _files()
        values = defaults | rules
        self.table = table
        self.pipeline, self.body, self.now = pipeline, body, 0.0
        self.go2 = Go2(table.firmware, posture, body, 0.5, self.now)
        self.guard = Guard(
            table,
            table.firmware,
            Rules(**{item.name: values[item.name] for item in fields(Rules)}),
            Ramps(values["linear_acceleration"], values["angular_acceleration"]),
            count(1).__next__,
        )
        self._tick_s, self._ticked = 1.0 / values["move_rate_hz"], 0.0
        self._answers: list[tuple[int, int]] = []
        self.samples: list[Sample] = []
        self.requests: list[Request] = []
        self.statuses: list[Status] = []
        self.said: list[str] = []
        self.run(STEP_S)

    def say(self, text: str) -> Decision:
        """A person says something."""
        decision = self.pipeline.hear(Utterance(text))
        if decision.route is Route.SKILL:
            language = "zh" if is_chinese(text) else "en"
            command = Command(decision.utterance.utterance_id, decision.label, decision.slots, language=language)
            fast = decision.source is Source.STOP
            self.carry_out(self.guard.stop(command, self.now) if fast else self.guard.command(command, self.now))
        return decision

    def run(self, seconds: float) -> None:
        """Time passes."""
        end = self.now + seconds - STEP_S / 2
        while self.now < end:
            self._step()

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Time passes until the condition holds; False when it does not within `seconds`."""
        end = self.now + seconds
        while not condition():
            if self.now >= end:
                return False
            self._step()
        return True

    @property
    def busy(self) -> bool:
        """A command is under way."""
        return self.guard.jobs > 0

    def carry_out(self, actions: list[Action]) -> None:
        """What skill_node would publish."""
        for action in actions:
            if isinstance(action, Send):
                request = action.request
                self.requests.append(request)
                parameter = json.dumps(request.parameter)
                code, _ = self.go2.call(request.service, request.api_id, parameter, self.now)
                if not request.noreply:
                    self._answers.append((request.id, code))
            elif isinstance(action, Say):
                self.said.append(action.text)
            else:
                self.statuses.append(action)

    def _step(self) -> None:
        self.now += STEP_S
        self.go2.advance(self.now)
        self.guard.stop_node(self.now)
        self.guard.robot(self.go2.state(), self.now)
        answers, self._answers = self._answers, []
        for request_id, code in answers:
            self.carry_out(self.guard.response(request_id, code, self.now))
        if self.now - self._ticked >= self._tick_s - 1e-9:
            self._ticked = self.now
            self.carry_out(self.guard.tick(self.now))
        pose = self.body.pose
        self.samples.append(Sample(self.now, pose.x, pose.y, pose.yaw))
