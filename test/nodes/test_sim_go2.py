"""The simulated Go2: it stands, walks and turns as told, with physics, many times faster than real time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from person import parameters
from support import wait_for
from unitree_api.msg import Request

pytest.importorskip("mujoco", reason="the extra sim is not installed")

from benchmarks.motion import COMMANDS, STOPS, Virtual, measure, measure_stop
from benchmarks.virtual import VirtualRobot
from shadow_intent.bundle import Bundle
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import robot_state_from_msg
from shadow_intent.nodes.go2 import GESTURES as SECONDS
from shadow_intent.nodes.go2 import Go2
from shadow_intent.nodes.sim_body import SimBody
from shadow_intent.nodes.sim_go2 import SimGo2
from shadow_intent.nodes.sim_poses import GESTURES, POSTURES
from shadow_intent.pipeline import Pipeline
from shadow_intent.skills import load_skills

SPOKEN = {spoken.text: spoken for spoken in COMMANDS}


@pytest.fixture(scope="module")
def body() -> SimBody:
    return SimBody("standing")


@pytest.fixture(scope="module")
def stage(body: SimBody, bundle_folder: Path) -> Virtual:
    """Every command that is most probable is carried out: when the robot is sure enough is not the question here."""
    pipeline = Pipeline.from_bundle(Bundle.load(bundle_folder))
    pipeline.policy = replace(pipeline.policy, accept=0.0, margin=0.0)
    return Virtual(VirtualRobot(pipeline, body))


def run(go2: Go2, start: float, seconds: float) -> None:
    for step in range(1, round(seconds * 50) + 1):
        go2.advance(start + step / 50)


@pytest.mark.parametrize("text", ["go forward two metres", "左转九十度", "turn right ninety degrees", "后退一米"])
def test_what_was_said_is_where_the_body_ends(stage: Virtual, text: str) -> None:
    row = measure(stage, SPOKEN[text])
    assert row.within, row


@pytest.mark.parametrize("stop", [STOPS[0], STOPS[3]])
def test_the_body_stands_still_half_a_second_after_stop(stage: Virtual, stop: tuple[str, str]) -> None:
    row = measure_stop(stage, *stop)
    assert row.within, row


def test_it_sits_rises_lies_goes_limp_and_stands_again(body: SimBody) -> None:
    go2 = Go2("mcf", "standing", body, move_timeout_s=0.5, now=0.0)
    now, heights = 0.0, {}
    for api_id, posture in ((1009, "sitting"), (1010, "standing"), (1005, "lying"), (1004, "standing")):
        assert go2.call("sport", api_id, "{}", now)[0] == 0
        run(go2, now, 3.0)
        now += 3.0
        assert go2.state().posture == posture
        heights[posture] = body.pose.z
    assert heights["standing"] > 0.25 > heights["sitting"] > 0.15 > heights["lying"]
    go2.call("sport", 1001, "{}", now)
    run(go2, now, 2.0)
    assert go2.state().posture == "damped"
    assert body.pose.z < 0.12


def test_fallen_it_recovers_and_walks() -> None:
    body = SimBody("fallen")
    go2 = Go2("mcf", "fallen", body, move_timeout_s=0.5, now=0.0)
    run(go2, 0.0, 0.5)
    assert go2.state().tilted and go2.state().posture == "fallen"
    go2.call("sport", 1006, "{}", 0.5)
    run(go2, 0.5, 3.0)
    assert go2.state().posture == "standing" and not go2.state().tilted
    for step in range(10):
        go2.call("sport", 1008, json.dumps({"x": 0.5, "y": 0.0, "z": 0.0}), 3.5 + step / 10)
        run(go2, 3.5 + step / 10, 0.1)
    assert 0.2 < body.pose.x < 0.7 and go2.state().mode == 3


def test_it_stays_on_its_feet_through_every_gesture(body: SimBody) -> None:
    go2 = Go2("legacy", "standing", body, move_timeout_s=0.5, now=0.0)
    go2.call("sport", 1006, "{}", 0.0)
    run(go2, 0.0, 3.0)
    now = 3.0
    for api_id in sorted(GESTURES):
        assert go2.call("sport", api_id, '{"data": true}', now)[0] == 0
        run(go2, now, SECONDS[api_id] + 1.0)
        now += SECONDS[api_id] + 1.0
        assert go2.state().posture == "standing" and body.pose.z > 0.25, api_id


def test_poses_lie_within_the_joint_ranges(body: SimBody) -> None:
    low, high = body.joint_range.T
    for poses in (POSTURES.values(), *GESTURES.values()):
        for pose in poses:
            assert pose.shape == (12,)
            assert (low <= pose).all() and (pose <= high).all()


def test_acrobatics_are_not_on_this_robot(body: SimBody) -> None:
    go2 = Go2("mcf", "standing", body, move_timeout_s=0.5, now=0.0)
    hazardous = [skill for skill in load_skills().skills.values() if skill.guard == "confirm"]
    for skill in hazardous:
        if skill.service == "sport":
            parameter = json.dumps(dict(skill.parameter))
            assert go2.call("sport", skill.api["mcf"][0], parameter, 0.0)[0] == 3203, skill.label


def test_the_node_walks_on_the_same_topics_and_records(ros, person, tmp_path: Path) -> None:
    recording, states = tmp_path / "recording", []
    ros(SimGo2, **parameters(recording=str(recording)))
    interfaces.SPORT_STATE.subscribe(person, states.append)
    publisher = interfaces.REQUESTS["sport"].publisher(person)
    wait_for(lambda: publisher.get_subscription_count() == 2 and states, 20.0)
    assert robot_state_from_msg(states[-1]).posture == "standing"

    def walked() -> bool:
        request = Request(parameter=json.dumps({"x": 0.5, "y": 0.0, "z": 0.0}))
        request.header.identity.id, request.header.identity.api_id = 1, 1008
        request.header.policy.noreply = True
        publisher.publish(request)
        return states[-1].position[0] > 0.2

    wait_for(walked, 40.0)
    assert states[-1].mode == 3
    wait_for(lambda: states[-1].mode == 1 and max(abs(states[-1].velocity)) < 0.05, 40.0)
    rows = np.fromfile(recording, "<f8").reshape(-1, 20)
    assert (np.diff(rows[:, 0]) > 0.0).all() and rows[-1, 1] > 0.2
