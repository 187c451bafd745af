"""Velocity commands that carry the robot over a distance, through an angle or for a time.

A trapezoid: accelerate, cruise, and brake so that the speed is zero at the goal: v <= sqrt(2 a r) for the remaining
way r. How far the robot has come is read from its odometry, never from what was commanded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shadow_intent.intent import Slots
from shadow_intent.robot import RobotState
from shadow_intent.skills import Skill

CREEP = {"vx": 0.1, "vy": 0.1, "vyaw": 0.2}
"""Slowest useful command, m/s and rad/s: below it the legs do not step and the goal would never be reached."""
TOLERANCE = {"vx": 0.01, "vy": 0.01, "vyaw": 0.01}
"""Arrived when the remaining way is at most this, m and rad."""
SLACK_S = 3.0
"""Time allowed beyond twice the ideal duration before a motion is given up, seconds."""
HEADING_GAIN, HEADING_DEADBAND, HEADING_LIMIT = 1.5, 0.02, 0.3
"""Heading hold while translating: rad/s per rad, rad, rad/s."""


@dataclass(frozen=True, slots=True)
class Ramps:
    """How hard the robot accelerates and brakes."""

    linear: float
    """m/s^2, > 0."""
    angular: float
    """rad/s^2, > 0."""


@dataclass(frozen=True, slots=True)
class Velocity:
    """Parameter of Unitree's Move: vx forward and vy left in m/s, vyaw counter-clockwise in rad/s."""

    vx: float = 0.0
    vy: float = 0.0
    vyaw: float = 0.0

    def parameter(self) -> dict[str, float]:
        """Its JSON parameter; Unitree calls the three x, y and z."""
        return {"x": round(self.vx, 4), "y": round(self.vy, 4), "z": round(self.vyaw, 4)}


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a motion ends. At least one of amount and duration is given; the first reached ends it."""

    axis: str
    """vx, vy or vyaw."""
    speed: float
    """Signed cruise speed, m/s or rad/s."""
    amount: float | None
    """Way to go, > 0, m or rad."""
    duration_s: float | None = None
    """Seconds."""

    @classmethod
    def of(cls, skill: Skill, slots: Slots, factor: float = 1.0) -> Goal:
        """The goal of a motion skill. `factor` scales its velocity. What was not said takes the table's default.

        However long it is to go on, it goes no farther than the skill may.
        """
        ((axis, speed),) = skill.velocity.items()
        said = slots.as_dict()
        turning = axis == "vyaw"
        bound = skill.slots.get("angle_deg" if turning else "distance_m")
        amount = said.get("angle_deg" if turning else "distance_m")
        if amount is None and "count" in said and turning:
            amount = 360.0 * said["count"]
        if amount is None and slots.duration_s is None:
            amount = _default_amount(skill, turning, slots.little)
        elif amount is None and bound is not None:
            amount = bound.max
        if amount is not None and turning:
            amount = math.radians(amount)
        return cls(axis, speed * factor, amount, slots.duration_s)

    @property
    def time_limit_s(self) -> float:
        """Beyond it the motion has failed, seconds."""
        ideal = self.amount / abs(self.speed) if self.amount is not None else 0.0
        return SLACK_S + 2.0 * max(ideal, self.duration_s or 0.0)


def _default_amount(skill: Skill, turning: bool, little: bool) -> float | None:
    """Metres or degrees of a motion for which nothing was said, or "a bit"."""
    count = skill.slots.get("count")
    if turning and count is not None and count.default is not None:
        return 360.0 * count.default
    bound = skill.slots.get("angle_deg" if turning else "distance_m")
    if bound is None:
        return None
    return bound.little if little and bound.little is not None else bound.default


class Motion:
    """One motion under way. Call `step` at a steady rate; it returns None when the goal is reached."""

    def __init__(self, goal: Goal, ramps: Ramps, start: RobotState, now: float) -> None:
        """`start`: where the robot is; `now`: seconds of any monotonic clock."""
        self.goal = goal
        """May be replaced by a slower one under way."""
        self._acceleration = ramps.angular if goal.axis == "vyaw" else ramps.linear
        self._start, self._yaw = start, start.yaw
        self._turned = 0.0
        self._began = self._last = now
        self._speed = 0.0

    def elapsed(self, now: float) -> float:
        """Seconds since it began."""
        return now - self._began

    def overdue(self, now: float) -> bool:
        """True when it should have arrived long ago."""
        return self.elapsed(now) > self.goal.time_limit_s

    def step(self, state: RobotState, now: float) -> Velocity | None:
        """The velocity to send now, given the newest state; None when the motion is complete."""
        change = _wrap(state.yaw - self._yaw)
        self._turned += change
        self._yaw = state.yaw
        remaining = self._remaining(state)
        if remaining <= TOLERANCE[self.goal.axis] or self._time_is_up(now):
            return None
        gain = self._acceleration * (now - self._last)
        cruise, creep = max(abs(self.goal.speed), self._speed - gain), min(CREEP[self.goal.axis], abs(self.goal.speed))
        ramp = self._speed + gain
        brake = math.sqrt(2.0 * self._acceleration * remaining) if math.isfinite(remaining) else cruise
        self._speed = max(creep, min(cruise, ramp, brake))
        self._last = now
        velocity = math.copysign(self._speed, self.goal.speed)
        if self.goal.axis == "vyaw":
            return Velocity(vyaw=velocity)
        return Velocity(**{self.goal.axis: velocity}, vyaw=self._hold_heading())

    def progress(self, state: RobotState) -> float:
        """Signed way gone in the commanded direction, m or rad."""
        direction = math.copysign(1.0, self.goal.speed)
        if self.goal.axis == "vyaw":
            return direction * self._turned
        dx, dy = state.x - self._start.x, state.y - self._start.y
        c, s = math.cos(self._start.yaw), math.sin(self._start.yaw)
        return direction * (c * dx + s * dy if self.goal.axis == "vx" else c * dy - s * dx)

    def _remaining(self, state: RobotState) -> float:
        return math.inf if self.goal.amount is None else self.goal.amount - self.progress(state)

    def _time_is_up(self, now: float) -> bool:
        return self.goal.duration_s is not None and self.elapsed(now) >= self.goal.duration_s

    def _hold_heading(self) -> float:
        if abs(self._turned) < HEADING_DEADBAND:
            return 0.0
        return max(-HEADING_LIMIT, min(HEADING_LIMIT, -HEADING_GAIN * self._turned))


def _wrap(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
