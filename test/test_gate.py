"""What passes to the sport service, one row for each transition."""

from __future__ import annotations

import pytest

from shadow_intent.gate import FAST_PATH, NEWER_S, Epochs, Gate, begins_anew, takes_fast_path
from shadow_intent.robot import DAMP, MOVE, SPEED_LEVEL, STOP_MOVE
from shadow_intent.skills import load_skills

HELLO = 1016
OLD, NOW = 7, 8


def gate(*events: int | str) -> Gate:
    """A gate of epoch 7 after requests by API id, made under its epoch at that time, and stops."""
    made = Gate(OLD)
    for event in events:
        if event == "stop":
            made.stopped()
        else:
            assert made.passes(made.epoch, int(event))
    return made


@pytest.mark.parametrize(
    ("events", "epoch", "api_id", "passes", "moving"),
    [
        ((), OLD, MOVE, True, True),
        ((), OLD, HELLO, True, False),
        ((), OLD - 1, MOVE, False, False),
        ((MOVE,), OLD, MOVE, True, True),
        ((MOVE,), OLD, SPEED_LEVEL, True, True),
        ((MOVE,), OLD, STOP_MOVE, True, False),
        ((MOVE,), OLD, DAMP, True, False),
        ((MOVE, "stop"), OLD, MOVE, False, False),
        ((MOVE, "stop"), OLD, HELLO, False, False),
        ((MOVE, "stop"), OLD, STOP_MOVE, False, False),
        ((MOVE, "stop"), NOW, MOVE, True, True),
        (("stop", "stop"), NOW, MOVE, False, False),
        ((MOVE,), 0, MOVE, False, True),
    ],
)
def test_transition(events, epoch, api_id, passes, moving):
    made = gate(*events)
    assert made.passes(epoch, api_id) == passes
    assert (made.moving, made.dropped) == (moving, int(not passes))


@pytest.mark.parametrize(
    ("label", "spoken", "step", "takes"),
    [
        ("stop", True, 0, True),
        ("stop", False, 0, True),
        ("stop", False, 1, False),
        ("damp", True, 0, True),
        ("damp", False, 0, False),
        ("sit", True, 0, False),
    ],
)
def test_who_takes_the_fast_path(label, spoken, step, takes):
    assert takes_fast_path(label, spoken, step) == takes


@pytest.mark.parametrize(
    ("api_id", "parameter", "anew"),
    [
        (MOVE, '{"x": 0.5, "y": 0.0, "z": 0.0}', True),
        (HELLO, "{}", True),
        (2044, '{"data": true}', True),
        (2044, '{"data": false}', False),
        (SPEED_LEVEL, '{"data": 1}', False),
        (STOP_MOVE, "{}", False),
        (DAMP, "{}", False),
    ],
)
def test_what_has_the_robot_do_something_new(api_id, parameter, anew):
    assert begins_anew(api_id, parameter) == anew


def test_ids_are_those_of_the_skill_table():
    table = load_skills()
    for firmware in ("mcf", "legacy"):
        assert {label: table[label].api[firmware] for label in FAST_PATH} == {k: (v,) for k, v in FAST_PATH.items()}
        motions = [skill for skill in table.skills.values() if skill.action == "motion"]
        assert {skill.api[firmware] for skill in motions} == {(MOVE,)}


def test_beside_a_newer_stop_node_an_older_one_is_not_heard_until_the_newer_is_silent() -> None:
    epochs, older, newer = Epochs(), 70, 900
    assert [epochs.news(older, 0.0), epochs.news(older, 0.1), epochs.news(older + 1, 0.2)] == [False, False, True]
    assert [epochs.news(newer, 0.3), epochs.news(older + 1, 0.35), epochs.news(newer, 0.4)] == [True, None, False]
    assert [epochs.news(older + 2, 0.45), epochs.news(newer + 1, 0.5)] == [None, True]
    assert epochs.epoch == newer + 1
    assert [epochs.news(older + 2, 0.6 + NEWER_S), epochs.epoch] == [True, older + 2]
