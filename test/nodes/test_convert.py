"""Dataclasses to messages and back."""

from __future__ import annotations

import importlib.util
import math
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy import serialization
from unitree_go.msg import SportModeState

from shadow_intent import msg
from shadow_intent.errors import InputError
from shadow_intent.intent import SPEEDS, Slots
from shadow_intent.nodes import convert
from shadow_intent.nodes.convert import slots_from_msg, slots_to_msg, stamp_from_ns, stamp_to_ns

POSITIVE = st.none() | st.floats(1e-6, 1e6)


@given(
    POSITIVE, POSITIVE, POSITIVE, st.none() | st.integers(1, 2**32 - 1), st.sampled_from([None, *SPEEDS]), st.booleans()
)
def test_slots_survive_the_wire(distance_m, angle_deg, duration_s, count, speed, little):
    slots = Slots(distance_m, angle_deg, duration_s, count, speed, little)
    assert slots_from_msg(slots_to_msg(slots)) == slots


def test_untouched_message_and_nan_say_nothing():
    assert slots_from_msg(msg.Slots()) == Slots()
    assert slots_from_msg(msg.Slots(distance_m=math.nan, angle_deg=math.nan)) == Slots()


@pytest.mark.parametrize("fields", [{"distance_m": math.inf}, {"angle_deg": -1.0}, {"speed": "warp"}])
def test_impossible_slots_are_an_input_error(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        slots_from_msg(msg.Slots(**fields))


@pytest.mark.parametrize("stamp_ns", [0, 1, 1_700_000_000_123_456_789])
def test_stamp_survives(stamp_ns):
    assert stamp_to_ns(stamp_from_ns(stamp_ns)) == stamp_ns


def test_stamp_beyond_ros_time_is_an_input_error():
    with pytest.raises(InputError, match="outside"):
        stamp_from_ns(10**30)


PATH_BYTES = 280


def with_unitree_ros2(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`convert`, loaded where SportModeState has no path_point, as Unitree's own unitree_ros2 defines it."""

    class Short:
        pass

    def serialize(message: object) -> bytes:
        return long_serialize(SportModeState())[:-PATH_BYTES] if isinstance(message, Short) else long_serialize(message)

    def deserialize(data: bytes, kind: type) -> SportModeState:
        assert kind is Short and len(data) == len(serialize(Short()))
        return long_deserialize(data + bytes(PATH_BYTES), SportModeState)

    long_serialize, long_deserialize = serialization.serialize_message, serialization.deserialize_message
    monkeypatch.setattr("unitree_go.msg.SportModeState", Short)
    monkeypatch.setattr(serialization, "serialize_message", serialize)
    monkeypatch.setattr(serialization, "deserialize_message", deserialize)
    spec = importlib.util.spec_from_file_location("convert_beside_unitree_ros2", convert.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("defined", ["with path_point", "without"])
@pytest.mark.parametrize("sent", ["with path_point", "without"])
def test_a_robot_state_is_understood_in_either_layout(monkeypatch, defined, sent):
    data = serialization.serialize_message(SportModeState(mode=7, position=[1.0, 2.0, 3.0]))
    module = convert if defined == "with path_point" else with_unitree_ros2(monkeypatch)
    state = module.sport_state_from_bytes(data if sent == "with path_point" else data[:-PATH_BYTES])
    assert (state.mode, list(state.position)) == (7, [1.0, 2.0, 3.0])
    assert module.sport_state_from_bytes(data + bytes(4)) is None
    assert module.sport_state_from_bytes(data[: -PATH_BYTES - 4]) is None
