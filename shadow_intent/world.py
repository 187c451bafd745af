"""What is known about the robot, and whether a skill may run on it now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from shadow_intent.errors import InputError
from shadow_intent.jobs import Job, Rules
from shadow_intent.robot import RobotState
from shadow_intent.skills import Skill
from shadow_intent.speech import POSTURE_NAMES

CONTROLLER_HOLD_S = 1.0
"""Seconds after the hand controller's last input during which the robot is its operator's."""
REST_S, REST_M, REST_RAD = 0.5, 0.05, 0.1
"""The robot is at rest when it has stayed so long within so many metres and radians."""
LONG_AGO = float("-inf")

Refusal = tuple[str, Mapping[str, Any]]
"""A key of speech.SENTENCES and what is filled in."""


class World:
    """The newest of what the robot and stop_node say. Times are seconds of any steady clock."""

    def __init__(self, firmware: str, rules: Rules) -> None:
        """`firmware`: one of skills.FIRMWARES."""
        self.firmware, self.rules = firmware, rules
        self.state, self.state_at = RobotState(), LONG_AGO
        self._place: RobotState | None = None
        self._since = LONG_AGO
        """Where the robot has stayed near since then."""
        self.battery: float | None = None
        """Percent; None until the robot has said."""
        self.controller_at = LONG_AGO
        self.avoiding: bool | None = None
        """Whether the robot avoids obstacles; None until it has said."""
        self.stop_node_at = LONG_AGO

    def see(self, state: RobotState, now: float) -> None:
        """A robot state arrived."""
        self.state, self.state_at = state, now
        if self._place is None or _apart(state, self._place):
            self._place, self._since = state, now

    def forget_times(self) -> None:
        """Nothing counts as recent until it is heard of again."""
        self._place = None
        self.state_at = self.controller_at = self.stop_node_at = LONG_AGO

    def fresh(self, now: float) -> bool:
        """True while the robot's state is recent enough to act on."""
        return now - self.state_at <= self.rules.state_timeout_s

    def at_rest(self, now: float) -> bool:
        """True once the robot's odometry has stood still for a while."""
        return self._place is not None and now - self._since >= REST_S

    def stoppable(self, now: float) -> bool:
        """True while stop_node is there to stop the robot; it says so ten times a second."""
        return now - self.stop_node_at <= self.rules.state_timeout_s

    def controlled(self, now: float) -> bool:
        """True while somebody uses the hand controller: it has precedence."""
        return now - self.controller_at < CONTROLLER_HOLD_S

    def forbidden(self, skill: Skill) -> bool:
        """True while the operator's switch holds a hazardous skill back."""
        return skill.guard == "confirm" and not self.rules.allow_hazardous

    def problem(self, now: float) -> str:
        """What is missing to move, "" when nothing is."""
        if not self.stoppable(now):
            return "stop_node does not run: nothing moves"
        return "" if self.fresh(now) else "no recent state of the robot: nothing moves"

    def values(self, now: float) -> dict[str, object]:
        """For diagnostics."""
        return {
            "firmware": self.firmware,
            "state_age_s": f"{now - self.state_at:.3f}",
            "stop_node_age_s": f"{now - self.stop_node_at:.3f}",
            "posture": self.state.posture,
            "battery_percent": self.battery,
            "avoids_obstacles": self.avoiding,
        }

    def refusal(self, job: Job, now: float) -> Refusal | None:
        """Why the job may not run now, None when it may."""
        skill, rules = job.skill, self.rules
        try:
            skill.bounded(job.command.slots)
        except InputError as error:
            return "bounds", {"detail": error}
        if self.firmware not in skill.api:
            return "firmware", {"name": job.name}
        if self.forbidden(skill):
            return "hazardous", {"name": job.name}
        if not job.moves:
            return None
        if not self.stoppable(now):
            return "no_stop_node", {}
        if not self.fresh(now):
            return "no_state", {}
        if self.controlled(now):
            return "controller", {}
        if skill.guard != "posture" and self.battery is not None and self.battery < rules.min_battery_percent:
            return "battery", {"percent": round(self.battery)}
        return self._posture_refusal(job)

    def _posture_refusal(self, job: Job) -> Refusal | None:
        """Sitting and lying are no obstacle: the robot stands up first."""
        rises = self.state.posture in ("sitting", "lying") and "standing" in job.skill.postures and job.exclusive
        return None if rises else self.misplaced(job)

    def misplaced(self, job: Job) -> Refusal | None:
        """Why the job may not go on in the robot's posture, None when it may."""
        posture = self.state.posture
        if posture in job.skill.postures:
            return None
        if posture in ("fallen", "damped"):
            return posture, {}
        return "posture", {"name": job.name, "posture": POSTURE_NAMES[posture][job.command.language == "zh"]}


def _apart(a: RobotState, b: RobotState) -> bool:
    turned = abs(math.remainder(a.yaw - b.yaw, math.tau))
    return math.hypot(a.x - b.x, a.y - b.y) > REST_M or turned > REST_RAD
