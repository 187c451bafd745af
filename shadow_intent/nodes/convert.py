"""Between our dataclasses and the ROS messages."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from unitree_api.msg import Request as RequestMsg
from unitree_go.msg import SportModeState

from shadow_intent import msg
from shadow_intent.errors import InputError
from shadow_intent.intent import Slots, is_chinese
from shadow_intent.jobs import Command, Say, Status
from shadow_intent.robot import Request, RobotState
from shadow_intent.route import STOPPED_FIRST

NANOSECONDS = 1_000_000_000
_PATH = 10 * 7 * 4
"""Bytes of path_point: ten points of seven float32 each."""
_DEFINED = len(serialize_message(SportModeState()))
"""Bytes of the definition that is installed: ours has path_point, that of Unitree's unitree_ros2 has not."""
_SHORT = _DEFINED - (_PATH if hasattr(SportModeState(), "path_point") else 0)


def slots_to_msg(slots: Slots) -> msg.Slots:
    """An absent quantity becomes NaN, 0 or "" as msg/Slots.msg says."""
    return msg.Slots(
        distance_m=math.nan if slots.distance_m is None else float(slots.distance_m),
        angle_deg=math.nan if slots.angle_deg is None else float(slots.angle_deg),
        duration_s=math.nan if slots.duration_s is None else float(slots.duration_s),
        count=slots.count or 0,
        speed=slots.speed or "",
        little=slots.little,
    )


def slots_from_msg(message: msg.Slots) -> Slots:
    """The inverse. Raises InputError when a quantity is infinite, not positive, or an unknown speed.

    A message left at its defaults says 0.0, which is taken as not said, like NaN.
    """

    def quantity(value: float) -> float | None:
        return None if math.isnan(value) or value == 0.0 else value

    return Slots(
        distance_m=quantity(message.distance_m),
        angle_deg=quantity(message.angle_deg),
        duration_s=quantity(message.duration_s),
        count=message.count or None,
        speed=message.speed or None,
        little=message.little,
    )


def command_from_msg(
    message: msg.Intent | msg.SkillCommand, text: str, spoken: bool, step: int, now_ns: int
) -> tuple[Command, str]:
    """The command a message asks for at `now_ns`, and what is wrong with its slots, "" for nothing.

    `text` is what was said, "" when nothing was. Wrong slots are left out: the command is only there to be refused.
    """
    command = Command(
        message.utterance_id,
        message.label,
        session_id=message.session_id,
        language=message.language or ("zh" if is_chinese(text) else "en"),
        spoken=spoken,
        step=step,
        age_s=(now_ns - stamp_to_ns(message.header.stamp)) * 1e-9,
        holds_stop=STOPPED_FIRST in getattr(message, "reason", ""),
    )
    try:
        return replace(command, slots=slots_from_msg(message.slots)), ""
    except InputError as error:
        return command, str(error)


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds since the epoch."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def stamp_from_ns(stamp_ns: int) -> Time:
    """The inverse. Raises InputError for a time a stamp cannot hold."""
    seconds, nanoseconds = divmod(stamp_ns, NANOSECONDS)
    if not -(2**31) <= seconds < 2**31:
        raise InputError(f"stamp {stamp_ns} ns is outside what a ROS time holds")
    return Time(sec=seconds, nanosec=nanoseconds)


def request_to_msg(request: Request) -> RequestMsg:
    """Unitree's wire form: the parameter is a JSON object."""
    message = RequestMsg(parameter=json.dumps(request.parameter))
    message.header.identity.id = request.id
    message.header.identity.api_id = request.api_id
    message.header.policy.noreply = request.noreply
    return message


def robot_state_from_msg(message: SportModeState) -> RobotState | None:
    """None when the odometry or the attitude is not finite: such a sample must not look fresh."""
    roll, pitch, yaw = map(float, message.imu_state.rpy)
    x, y = float(message.position[0]), float(message.position[1])
    if not all(map(math.isfinite, (x, y, roll, pitch, yaw))):
        return None
    return RobotState(int(message.mode), int(message.error_code), x, y, roll, pitch, yaw)


def sport_state_from_bytes(data: bytes) -> SportModeState | None:
    """A serialised `SportModeState`, with or without the trailing path_point; None for any other length.

    Unitree's SDK has path_point, unitree_ros2's definition has not, and firmware may send either.
    """
    if len(data) not in (_SHORT, _SHORT + _PATH):
        return None
    return deserialize_message(data[:_DEFINED].ljust(_DEFINED, b"\0"), SportModeState)


def switch_from_json(data: str) -> bool | None:
    """Whether a switch is on, from {"enable": bool}; None for anything else."""
    try:
        value = json.loads(data)["enable"]
    except (ValueError, TypeError, KeyError):
        return None
    return value if isinstance(value, bool) else None


def say_to_msg(say: Say, header: Header) -> msg.Reply:
    """A whole reply."""
    return msg.Reply(header=header, utterance_id=say.utterance_id, text=say.text, language=say.language, final=True)


def status_to_msg(status: Status, header: Header) -> msg.SkillStatus:
    """The request's fields stay empty when none was sent."""
    message = msg.SkillStatus(
        header=header,
        utterance_id=status.utterance_id,
        label=status.label,
        state=status.state,
        reason=status.reason,
        code=status.code,
    )
    if status.request is not None:
        message.service, message.api_id = status.request.service, status.request.api_id
        message.parameter = json.dumps(status.request.parameter)
    return message
