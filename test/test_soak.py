"""The judges of the soak see what is planted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.soak.checks import Evidence, Logged, Order, Status, growth_mb, judge_motion
from shadow_intent.intent import Slots
from shadow_intent.skills import load_skills

TABLE = load_skills()
WALK = Order(100.0, "u1", "move_forward", Slots(distance_m=1.0), False)
STATES = [Status(at, "u1", "move_forward", state, "") for at, state in ((100.1, "accepted"), (103.0, "succeeded"))]


def move(at: float, x: float = 0.5, late: float = 0.001, api_id: int = 1008) -> list[object]:
    return ["request", at, at + late, "sport", api_id, json.dumps({"x": x, "y": 0.0, "z": 0.0})]


def pose(at: float, x: float) -> list[object]:
    return ["pose", at, x, 0.0, 0.0]


GOOD = Evidence(
    rows=[
        *(move(at) for at in (100.2, 102.0, 103.2)),
        move(110.0, x=0.0),
        ["request", 120.0, 129.0, "sport", 1003, "{}"],
        *(pose(101.0 + 0.02 * i, 0.01 * i) for i in range(50)),
    ],
    orders=[WALK],
    statuses=STATES,
)


def rules(evidence: Evidence) -> list[str]:
    return [violation.rule for violation in judge_motion(evidence, TABLE).violations]


def adding(*rows: list[object]) -> Evidence:
    return replace(GOOD, rows=[*GOOD.rows, *rows])


def test_what_is_right_is_no_violation() -> None:
    motion = judge_motion(GOOD, TABLE)
    assert not motion.violations
    assert (motion.requests, motion.moves, motion.lives) == (5, 3, 1)
    assert motion.worst_s == pytest.approx(0.2)
    assert motion.travelled_m == pytest.approx(0.49)


@pytest.mark.parametrize(
    ("evidence", "rule"),
    [
        (adding(move(99.0)), "motion"),
        (adding(move(103.4)), "motion"),
        (adding(move(102.0, x=-0.35, late=9.0)), "stale"),
        (adding(["request", 101.0, 110.0, "sport", 1009, "{}"]), "stale"),
        (adding(move(102.0, x=3.0)), "bounds"),
        (adding(["request", 101.0, 101.0, "sport", 1031, "{}"]), "hazard"),
        (adding(pose(200.0, 0.49), pose(200.02, 0.50)), "drift"),
        (replace(GOOD, orders=[]), "order"),
        (replace(GOOD, orders=[replace(WALK, forbidden=True)]), "order"),
        (replace(GOOD, orders=[replace(WALK, at=100.2)]), "order"),
        (replace(GOOD, deaths=[101.0]), "motion"),
        (replace(adding(move(140.0)), statuses=STATES[:1]), "motion"),
    ],
)
def test_what_is_planted_is_found(evidence: Evidence, rule: str) -> None:
    assert rule in rules(evidence)


def test_a_robot_that_began_anew_is_back_at_its_origin_without_having_moved() -> None:
    jump = adding(pose(200.0, 0.49), pose(200.9, 0.0))
    assert rules(jump) == ["drift"]
    assert not rules(replace(jump, reboots=[200.5]))


def test_a_robot_that_hung_may_brake_and_no_more() -> None:
    hung = replace(adding(pose(200.0, 0.49), pose(200.02, 0.50)), wakings=[199.9])
    assert not rules(hung)
    assert rules(replace(hung, wakings=[198.0])) == ["drift"]


def test_an_utterance_that_is_not_in_the_log_is_found() -> None:
    logged = Logged()
    header = {"stamp": {"sec": 1, "nanosec": 5}}
    logged.add("voice_command", {"header": header})
    logged.add("intent", {"header": header, "source": "edge"})
    here = 1_000_000_005
    assert not logged.missing({here: 0.0}, {})
    assert [v.detail.split(" was ")[1].split()[0] for v in logged.missing({here + 1: 0.0}, {here: 0.0})] == [
        "heard",
        "decided",
        "closed",
    ]


def test_memory_that_grows_is_measured() -> None:
    assert growth_mb([(1000 * i, 100.0 + 0.5 * i) for i in range(51)]) == pytest.approx(25.0)
    assert growth_mb([(0, 100.0), (1, 103.0), (2, 97.0), (3, 100.0)]) < 0
