"""What a Go2 without a robot answers and how it stands: the services behind /api/* and the postures, without ROS.

mock_go2 and sim_go2 share it; the body that carries it out is given: a box on a plane (`mock_body`) or a simulated
robot (`sim_body`). Postures, gestures and response codes follow Unitree's sport service; durations are round numbers
near the real ones. What the real robot does in cases its documents leave open is not known: there it answers 0 and
stays as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shadow_intent.robot import BALANCE_STAND, CODES, OK, RobotState

NOT_IMPLEMENTED, BAD_PARAMETER = 3203, 3204
SERVER_VERSION = 1
"""API id every Unitree service answers with its version."""
_COMMON = {*range(1001, 1011), *range(1015, 1018), 1020, 1022, 1023, *range(1027, 1033), 1036}
SPORT_IDS: Mapping[str, frozenset[int]] = {
    "mcf": frozenset(_COMMON | {1061, 1062, 1063, 2041, *range(2043, 2052), 2054, 2055, 2058}),
    "legacy": frozenset(_COMMON | {1021, 1033, 1044, 1301}),
}
"""Sport API ids by firmware profile."""
GESTURES: Mapping[int, float] = {
    1016: 3.0,
    1017: 4.0,
    1020: 3.0,
    1021: 4.0,
    1022: 8.0,
    1023: 8.0,
    1028: 2.0,
    1029: 3.0,
    1033: 4.0,
    1036: 4.0,
    1030: 2.0,
    1031: 1.5,
    1032: 1.5,
    1044: 2.0,
    1301: 3.0,
    2043: 2.0,
    2044: 3.0,
    2050: 3.0,
}
"""API ids of gestures, and how long each takes, seconds."""
TRANSITIONS: Mapping[int, tuple[str, float, bool]] = {
    1004: ("standing", 1.5, True),
    1005: ("lying", 1.5, False),
    1006: ("standing", 2.0, False),
    1009: ("sitting", 1.5, False),
    1010: ("standing", 1.5, False),
}
"""API id -> posture reached, seconds, joints locked afterwards."""
ALLOWED_FROM: Mapping[int, tuple[str, ...]] = {
    1004: ("standing", "lying", "damped"),
    1005: ("standing", "lying"),
    1006: ("standing", "sitting", "lying", "damped", "fallen"),
    1009: ("standing", "sitting"),
    1010: ("sitting", "standing"),
}
MOVE_LIMITS = {"x": (-2.5, 3.8), "y": (-1.0, 1.0), "z": (-4.0, 4.0)}
"""m/s, m/s, rad/s (Unitree's SDK)."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Of the body in the world."""

    x: float
    y: float
    z: float
    """Metres."""
    roll: float
    pitch: float
    yaw: float
    """Radians."""


@dataclass(frozen=True, slots=True)
class Stance:
    """How the body shall hold itself."""

    posture: str
    """One of skills.POSTURES, until `progress` is 1."""
    goal: str
    """The posture it changes to; the same when it stays."""
    progress: float = 1.0
    """Of the change of posture, or of the gesture, in [0, 1]."""
    locked: bool = False
    """Stands with locked joints."""
    gesture: int = 0
    """API id; 0: none."""


class Body(Protocol):
    """What stands and walks."""

    gestures: frozenset[int]
    """API ids of the gestures it has; the others are not on this robot."""

    @property
    def pose(self) -> Pose:
        """Where it is."""
        ...

    @property
    def velocity(self) -> Sequence[float]:
        """vx, vy in m/s, vyaw in rad/s, body frame."""
        ...

    def advance(self, seconds: float, stance: Stance, target: Sequence[float]) -> None:
        """Moves on in time. `target`: vx, vy, vyaw to reach; zero unless it stands free."""
        ...


class Go2:
    """A Go2 as its topics show it."""

    def __init__(
        self, firmware: str, posture: str, body: Body, move_timeout_s: float, now: float, time_scale: float = 1.0
    ) -> None:
        """`posture`: at start; `time_scale`: factor on its pace; `now`: seconds of any steady clock."""
        self.firmware, self.body = firmware, body
        self.posture, self.locked = posture, False
        self.volume, self.brightness, self.avoiding = 5, 0, True
        self._move_timeout_s, self._scale = move_timeout_s, time_scale
        self._target, self._moved_at = [0.0, 0.0, 0.0], -math.inf
        self._began, self._busy_until, self._next = now, now, (posture, False)
        self._gesture = 0
        self._time = now
        self._services: Mapping[str, Callable[[int, Any], tuple[int, Any]]] = {
            "sport": self._sport,
            "vui": self._vui,
            "obstacles_avoid": self._obstacles_avoid,
        }

    def state(self) -> RobotState:
        """What it reports about itself."""
        moving = any(abs(v) > 0.02 for v in self.body.velocity) and any(self._target)
        mode, code = {"sitting": (10, 1007), "lying": (5, 1004), "damped": (7, 1001), "fallen": (7, 1001)}.get(
            self.posture,
            (3, 1015) if moving else (6, 1002) if self.locked else (2, 1006) if self._gesture else (1, 1013),
        )
        pose = self.body.pose
        return RobotState(mode, code, pose.x, pose.y, pose.roll, pose.pitch, pose.yaw)

    def advance(self, now: float) -> None:
        """Moves on to `now`."""
        elapsed, self._time = now - self._time, now
        if now >= self._busy_until:
            (self.posture, self.locked), self._gesture = self._next, 0
        if now - self._moved_at > self._move_timeout_s or self.posture != "standing":
            self._target = [0.0, 0.0, 0.0]
        self.body.advance(elapsed * self._scale, self._stance(now), self._target)
        if self.posture == "standing" and self._next[0] == "standing" and self.state().tilted:
            self._become("fallen", 0.0)

    def _stance(self, now: float) -> Stance:
        span = self._busy_until - self._began
        progress = min(1.0, (now - self._began) / span) if span > 0.0 else 1.0
        return Stance(self.posture, self._next[0], progress, self.locked, self._gesture)

    def call(self, service: str, api_id: int, parameter: str, now: float) -> tuple[int, str]:
        """Answers a request: a code of `CODES` or 0, and JSON data or "". A code 3204 means a wrong parameter."""
        self.advance(now)
        if api_id == SERVER_VERSION:
            return OK, "1.0.0.1"
        try:
            values = json.loads(parameter or "{}")
            if not isinstance(values, dict):
                return BAD_PARAMETER, ""
            code, data = self._services[service](api_id, values)
        except (ValueError, KeyError, TypeError, RecursionError):
            return BAD_PARAMETER, ""
        assert code == OK or code in CODES
        return code, "" if data is None else json.dumps(data)

    def _sport(self, api_id: int, values: Any) -> tuple[int, Any]:
        if api_id not in SPORT_IDS[self.firmware] or (api_id in GESTURES and api_id not in self.body.gestures):
            return NOT_IMPLEMENTED, None
        if api_id == 1001:
            self._become("damped", 0.0)
        elif api_id == BALANCE_STAND and self.posture == "standing":
            self.locked, self._next = False, ("standing", False)
        elif api_id == 1003:
            self._moved_at, self._target = -math.inf, [0.0, 0.0, 0.0]
            if self._gesture:
                self._gesture, self._busy_until = 0, self._time
        elif api_id == 1008:
            return self._move([_number(values, name, *MOVE_LIMITS[name]) for name in "xyz"])
        elif api_id == 1015:
            _number(values, "data", -1, 1)
        elif api_id in (1027, 1028, 1301, 2044, 2050) and not isinstance(values["data"], bool):
            return BAD_PARAMETER, None
        elif api_id == 2055:
            return OK, {"data": True}
        elif api_id in TRANSITIONS and self.posture in ALLOWED_FROM[api_id]:
            self._become(*TRANSITIONS[api_id])
        if api_id in GESTURES and values.get("data") is not False and self.posture == "standing" and not self.locked:
            self._gesture, self._began = api_id, self._time
            self._busy_until = self._time + GESTURES[api_id] / self._scale
        return OK, None

    def _become(self, posture: str, seconds: float, locked: bool = False) -> None:
        """Begins to change posture; standing still while it does."""
        self._target, self._gesture = [0.0, 0.0, 0.0], 0
        self._next, self._began, self._busy_until = (posture, locked), self._time, self._time + seconds / self._scale
        if seconds == 0.0:
            self.posture, self.locked = posture, locked

    def _move(self, target: list[float]) -> tuple[int, Any]:
        if self.posture == "standing" and not self.locked and self._time >= self._busy_until:
            self._target, self._moved_at = target, self._time
        return OK, None

    def _vui(self, api_id: int, values: Any) -> tuple[int, Any]:
        if api_id == 1003:
            self.volume = int(_number(values, "volume", 0, 10))
        elif api_id == 1005:
            self.brightness = int(_number(values, "brightness", 0, 10))
        elif api_id in (1004, 1006):
            return OK, {"volume": self.volume} if api_id == 1004 else {"brightness": self.brightness}
        else:
            return NOT_IMPLEMENTED, None
        return OK, None

    def _obstacles_avoid(self, api_id: int, values: Any) -> tuple[int, Any]:
        if api_id == 1001:
            if not isinstance(values["enable"], bool):
                return BAD_PARAMETER, None
            self.avoiding = values["enable"]
            return OK, None
        return (OK, {"enable": self.avoiding}) if api_id == 1002 else (NOT_IMPLEMENTED, None)


def _number(values: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A number of the parameter. Raises KeyError or ValueError when it is missing or out of range."""
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name} = {value!r} is not a number in [{low}, {high}]")
    return float(value)
