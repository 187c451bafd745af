"""Dataclasses to messages and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_intent import msg
from shadow_intent.errors import InputError
from shadow_intent.intent import SPEEDS, Slots
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
