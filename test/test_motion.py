"""Velocity profiles, against a simulated body."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from shadow_intent.intent import Slots
from shadow_intent.motion import Goal, Motion, Ramps, Velocity
from shadow_intent.robot import RobotState
from shadow_intent.skills import load_skills

RAMPS = Ramps(linear=0.8, angular=2.0)
RATE = 20.0
TABLE = load_skills()


def drive(
    goal: Goal, yaw: float = 0.0, lag_s: float = 0.1, drift: float = 0.0
) -> tuple[RobotState, list[Velocity], float]:
    """Where a body that follows commands with a first-order lag ends, what it was sent, and how long it took."""
    x = y = now = 0.0
    start, sent, actual = yaw, [], [0.0, 0.0, 0.0]
    motion = Motion(goal, RAMPS, RobotState(yaw=yaw), now)
    while not motion.overdue(now):
        state = RobotState(x=x, y=y, yaw=math.remainder(yaw, math.tau))
        velocity = motion.step(state, now)
        if velocity is None:
            return RobotState(x=x, y=y, yaw=yaw - start), sent, now
        sent.append(velocity)
        for axis, wanted in enumerate((velocity.vx, velocity.vy, velocity.vyaw)):
            actual[axis] += (wanted - actual[axis]) * min(1.0, 1.0 / (RATE * lag_s))
        yaw += (actual[2] + drift) / RATE
        x += (actual[0] * math.cos(yaw) - actual[1] * math.sin(yaw)) / RATE
        y += (actual[0] * math.sin(yaw) + actual[1] * math.cos(yaw)) / RATE
        now += 1.0 / RATE
    pytest.fail(f"never arrived: {x:.2f}, {y:.2f}, {yaw - start:.2f}")


@pytest.mark.parametrize("distance_m", [0.05, 0.3, 1.0, 5.0])
@pytest.mark.parametrize(("label", "sign"), [("move_forward", (1, 0)), ("move_left", (0, 1)), ("move_right", (0, -1))])
def test_distance_is_reached_within_five_centimetres(label, sign, distance_m):
    end, _, _ = drive(Goal.of(TABLE[label], Slots(distance_m=distance_m)))
    assert end.x == pytest.approx(sign[0] * distance_m, abs=0.05)
    assert end.y == pytest.approx(sign[1] * distance_m, abs=0.05)


@pytest.mark.parametrize("angle_deg", [10.0, 90.0, 180.0, 360.0])
@pytest.mark.parametrize(("label", "sign"), [("turn_left", 1), ("turn_right", -1)])
def test_angle_is_reached_within_three_degrees(label, sign, angle_deg):
    end, _, _ = drive(Goal.of(TABLE[label], Slots(angle_deg=angle_deg)), yaw=3.0)
    assert math.degrees(end.yaw) == pytest.approx(sign * angle_deg, abs=3.0)


def test_progress_is_measured_along_the_initial_heading():
    end, _, _ = drive(Goal.of(TABLE["move_backward"], Slots(distance_m=1.0)), yaw=math.pi / 2)
    assert (end.x, end.y) == pytest.approx((0.0, -1.0), abs=0.05)


def test_velocity_ramps_and_stays_within_the_skill():
    goal = Goal.of(TABLE["move_forward"], Slots(distance_m=2.0))
    _, sent, _ = drive(goal)
    speeds = [v.vx for v in sent]
    assert max(speeds) == pytest.approx(0.5)
    assert all(b - a <= RAMPS.linear / RATE + 1e-9 for a, b in pairwise(speeds) if a >= 0.1)
    assert speeds[-1] < 0.2


@pytest.mark.parametrize("label", ["move_forward", "move_backward", "move_left"])
def test_a_duration_goes_no_farther_than_the_skill_may(label):
    skill = TABLE[label]
    end, _, _ = drive(Goal.of(skill, Slots(duration_s=30.0, speed="fast"), TABLE.speeds["fast"]))
    assert math.hypot(end.x, end.y) == pytest.approx(skill.slots["distance_m"].max, abs=0.1)


def test_duration_ends_a_motion_without_a_distance():
    end, _, seconds = drive(Goal.of(TABLE["move_forward"], Slots(duration_s=3.0)))
    assert seconds == pytest.approx(3.0, abs=1.1 / RATE)
    assert 1.0 < end.x < 1.5


def test_heading_is_held_against_drift():
    end, sent, _ = drive(Goal.of(TABLE["move_forward"], Slots(distance_m=3.0)), drift=0.1)
    assert abs(end.yaw) < 0.12
    assert any(v.vyaw < 0 for v in sent)


def test_odometry_that_stands_still_makes_a_motion_overdue():
    motion = Motion(Goal.of(TABLE["move_forward"], Slots()), RAMPS, RobotState(), 0.0)
    assert motion.step(RobotState(), 5.0) is not None
    assert not motion.overdue(6.9)
    assert motion.overdue(7.1)  # 3 s + 2 * 1 m / 0.5 m/s


@pytest.mark.parametrize(
    ("label", "slots", "amount"),
    [
        ("move_forward", Slots(), 1.0),
        ("move_forward", Slots(duration_s=2.0), 5.0),
        ("turn_left", Slots(), math.pi / 2),
        ("move_forward", Slots(little=True), 0.3),
        ("move_forward", Slots(distance_m=2.0, little=True), 2.0),
        ("turn_left", Slots(little=True), math.radians(20.0)),
        ("turn_around", Slots(little=True), math.pi),
        ("turn_around", Slots(), math.pi),
        ("spin", Slots(), math.tau),
        ("spin", Slots(count=2), 2 * math.tau),
        ("spin", Slots(angle_deg=720.0), 2 * math.tau),
    ],
)
def test_goal_takes_what_was_said_or_the_default(label, slots, amount):
    assert Goal.of(TABLE[label], slots).amount == (None if amount is None else pytest.approx(amount))


def test_speed_scales_the_velocity():
    assert Goal.of(TABLE["move_backward"], Slots(), factor=2.0).speed == pytest.approx(-0.7)
