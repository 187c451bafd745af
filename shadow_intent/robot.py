"""What the robot reports and what is asked of it, as plain data. Source: Unitree's sport service documents."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DAMP, BALANCE_STAND, STOP_MOVE, MOVE, SPEED_LEVEL = 1001, 1002, 1003, 1008, 1015
"""Sport API ids that are the same on every firmware. BalanceStand unlocks the joints after StandUp."""

AVOIDANCE_GET = 1002
QUERIES = frozenset([("obstacles_avoid", AVOIDANCE_GET)])
"""Services and API ids of the calls that only ask; skill_node makes them once a second."""
"""API id of obstacles_avoid that asks whether it is on: SwitchGet, answered {"enable": bool}."""

OK = 0
CODES: Mapping[int, str] = {
    3102: "the request could not be sent",
    3103: "the service is not registered",
    3104: "the service timed out",
    3105: "the answer belongs to another request",
    3201: "the service failed",
    3202: "the service does not speak this version",
    3203: "the robot does not know this request",
    3204: "the robot rejects the parameter",
    4101: "the trajectory is wrong",
    4201: "the action took too long",
    4202: "the sport service is not ready",
}
"""Response codes of Unitree's services."""


@dataclass(frozen=True, slots=True)
class Field:
    """What Unitree documents about a field of a JSON parameter."""

    kind: type
    """bool, int or float."""
    low: float = 0.0
    high: float = 1.0
    """Bounds of a number, in `unit`."""
    unit: str = ""

    def fits(self, value: object) -> bool:
        """True for a value the robot takes."""
        if self.kind is bool:
            return isinstance(value, bool)
        kinds = (int,) if self.kind is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.low <= value <= self.high


_SWITCH = {"data": Field(bool)}
PARAMETERS: Mapping[tuple[str, int], Mapping[str, Field]] = {
    ("sport", MOVE): {
        "x": Field(float, -2.5, 3.8, "m/s"),
        "y": Field(float, -1.0, 1.0, "m/s"),
        "z": Field(float, -4.0, 4.0, "rad/s"),
    },
    ("sport", SPEED_LEVEL): {"data": Field(int, -1, 1, "slow, normal, fast")},
    **{("sport", api_id): _SWITCH for api_id in (1027, 1028, 1301, 2044, *range(2046, 2052), 2054)},
    ("vui", 1003): {"volume": Field(int, 0, 10, "steps")},
    ("vui", 1005): {"brightness": Field(int, 0, 10, "steps")},
    ("obstacles_avoid", 1001): {"enable": Field(bool)},
}
"""By service and API id; what is not here takes {}. Source: unitree_sdk2_python, go2/*/*_client.py."""

TILT_FALLEN = 0.9
"""Radians of roll or pitch beyond which the robot lies on its side or back."""

_MODE_POSTURE = {5: "lying", 7: "damped", 10: "sitting"}
"""`SportModeState.mode` where it does not stand (0 idle, 1 balance stand, 2 pose, 3 locomotion, 6 joint lock, ...)."""
_STATE_POSTURE = {1001: "damped", 1004: "lying", 2006: "lying", 1007: "sitting"}
"""`SportModeState.error_code` where it does not stand: despite its name newer firmware reports its state there."""
_LOCKED_MODE, _LOCKED_STATE = 6, 1002


CONTROLLER_DEADBAND = 0.1
"""Stick deflection in [0, 1] below which nobody touches it."""


def controller_in_use(wireless_remote: bytes) -> bool:
    """Whether a key is pressed or a stick deflected, from `LowState.wireless_remote` (40 bytes).

    Its layout is that of Unitree's SDK: two bytes of header, a bit field of keys, five little-endian floats of sticks.
    """
    keys, *sticks = struct.unpack_from("<2xH5f", wireless_remote)
    return bool(keys) or any(abs(stick) > CONTROLLER_DEADBAND for stick in sticks)


@dataclass(frozen=True, slots=True)
class RobotState:
    """One sample of `SportModeState`."""

    mode: int = 1
    """What the robot is doing."""
    error_code: int = 0
    """The robot's state code."""
    x: float = 0.0
    """Odometry, m."""
    y: float = 0.0
    """Odometry, m."""
    roll: float = 0.0
    """Radians."""
    pitch: float = 0.0
    """Radians."""
    yaw: float = 0.0
    """Radians, counter-clockwise."""

    @property
    def tilted(self) -> bool:
        """On its side or back, or in the middle of an acrobatic skill."""
        return abs(self.roll) > TILT_FALLEN or abs(self.pitch) > TILT_FALLEN

    @property
    def posture(self) -> str:
        """One of skills.POSTURES."""
        if self.tilted:
            return "fallen"
        return _STATE_POSTURE.get(self.error_code) or _MODE_POSTURE.get(self.mode, "standing")

    @property
    def locked(self) -> bool:
        """Stands with locked joints, as after StandUp: it walks only after BalanceStand."""
        return self.mode == _LOCKED_MODE or self.error_code == _LOCKED_STATE


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a Unitree service."""

    id: int
    """Unique; the response carries it back."""
    service: str
    """One of skills.SERVICES."""
    api_id: int
    parameter: Mapping[str, Any] = field(default_factory=dict)
    """JSON object."""
    noreply: bool = False
    """The robot sends no response."""
