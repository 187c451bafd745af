"""How the mock Go2 stands, moves and answers: the body and the services of mock_go2, without ROS.

Postures, gestures and response codes follow Unitree's sport service; durations and accelerations are round numbers near
the real ones. What the real robot does in cases its documents leave open is not known: there the mock answers 0 and
stays as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

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
LINEAR_SLEW, ANGULAR_SLEW = 4.0, 12.0
"""How fast its velocity follows a command, m/s^2 and rad/s^2."""
HEIGHTS = {"standing": 0.32, "sitting": 0.22, "lying": 0.08, "fallen": 0.1, "damped": 0.08}
"""Body height by posture, m."""


class Body:
    """A Go2 on a flat floor."""

    def __init__(self, firmware: str, posture: str, move_timeout_s: float, time_scale: float, now: float) -> None:
        """`posture`: at start; `now`: seconds of any steady clock."""
        self.firmware = firmware
        self.posture, self.locked = posture, False
        self.x = self.y = self.yaw = 0.0
        self.velocity = [0.0, 0.0, 0.0]
        """vx, vy in m/s, vyaw in rad/s, body frame."""
        self.volume, self.brightness, self.avoiding = 5, 0, True
        self._move_timeout_s, self._scale = move_timeout_s, time_scale
        self._target, self._moved_at = [0.0, 0.0, 0.0], -math.inf
        self._busy_until, self._next = now, (posture, False)
        self._gesture = False
        self._time = now
        self._services: Mapping[str, Callable[[int, Any], tuple[int, Any]]] = {
            "sport": self._sport,
            "vui": self._vui,
            "obstacles_avoid": self._obstacles_avoid,
        }

    @property
    def height(self) -> float:
        """Of the body above the floor, m."""
        return HEIGHTS[self.posture]

    def state(self) -> RobotState:
        """What it reports about itself."""
        moving = any(abs(v) > 1e-3 for v in self.velocity)
        mode, code = {"sitting": (10, 1007), "lying": (5, 1004), "damped": (7, 1001), "fallen": (7, 1001)}.get(
            self.posture,
            (3, 1015) if moving else (6, 1002) if self.locked else (2, 1006) if self._gesture else (1, 1013),
        )
        roll = math.pi / 2 if self.posture == "fallen" else 0.0
        return RobotState(mode, code, self.x, self.y, roll, 0.0, self.yaw)

    def advance(self, now: float) -> None:
        """Moves on to `now`."""
        elapsed, self._time = now - self._time, now
        if now >= self._busy_until:
            (self.posture, self.locked), self._gesture = self._next, False
        if now - self._moved_at > self._move_timeout_s or self.posture != "standing":
            self._target = [0.0, 0.0, 0.0]
        for axis, slew in enumerate((LINEAR_SLEW, LINEAR_SLEW, ANGULAR_SLEW)):
            step = slew * elapsed * self._scale
            self.velocity[axis] += max(-step, min(step, self._target[axis] - self.velocity[axis]))
        span = elapsed * self._scale
        vx, vy, vyaw = self.velocity
        middle = self.yaw + 0.5 * vyaw * span
        self.x += (vx * math.cos(middle) - vy * math.sin(middle)) * span
        self.y += (vx * math.sin(middle) + vy * math.cos(middle)) * span
        self.yaw = math.remainder(self.yaw + vyaw * span, math.tau)

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
        except (ValueError, KeyError, TypeError):
            return BAD_PARAMETER, ""
        assert code == OK or code in CODES
        return code, "" if data is None else json.dumps(data)

    def _sport(self, api_id: int, values: Any) -> tuple[int, Any]:
        if api_id not in SPORT_IDS[self.firmware]:
            return NOT_IMPLEMENTED, None
        if api_id == 1001:
            self._become("damped", 0.0)
        elif api_id == BALANCE_STAND and self.posture == "standing":
            self.locked, self._next = False, ("standing", False)
        elif api_id == 1003:
            self._moved_at, self._target, self._gesture = -math.inf, [0.0, 0.0, 0.0], False
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
            self._gesture, self._busy_until = True, self._time + GESTURES[api_id] / self._scale
        return OK, None

    def _become(self, posture: str, seconds: float, locked: bool = False) -> None:
        """Begins to change posture; standing still while it does."""
        self._target = [0.0, 0.0, 0.0]
        self._next, self._busy_until = (posture, locked), self._time + seconds / self._scale
        if seconds == 0.0:
            self.posture, self.locked = posture, locked

    def _move(self, target: list[float]) -> tuple[int, Any]:
        if self.posture == "standing" and not self.locked:
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
