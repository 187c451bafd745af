"""The mock Go2 answers and moves as the robot does."""

from __future__ import annotations

import json
import math

import pytest
from support import wait_for
from unitree_api.msg import Request
from unitree_go.msg import SportModeState

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import robot_state_from_msg
from shadow_intent.nodes.go2 import Go2
from shadow_intent.nodes.mock_body import MockBody
from shadow_intent.skills import load_skills

OK, NOT_IMPLEMENTED, BAD_PARAMETER = 0, 3203, 3204


def robot_without_node(firmware: str = "mcf", posture: str = "standing") -> Go2:
    return Go2(firmware, posture, MockBody(posture), move_timeout_s=0.5, now=0.0)


def run(go2: Go2, start: float, end: float) -> None:
    for step in range(round(start * 100), round(end * 100) + 1):
        go2.advance(step / 100)


@pytest.mark.parametrize(
    ("service", "api_id", "parameter", "code"),
    [
        ("sport", 1003, "{}", OK),
        ("sport", 1003, "", OK),
        ("sport", 4242, "{}", NOT_IMPLEMENTED),
        ("sport", 1033, "{}", NOT_IMPLEMENTED),
        ("sport", 1008, '{"x": 0.3, "y": 0, "z": 0}', OK),
        ("sport", 1008, '{"x": 9.0, "y": 0, "z": 0}', BAD_PARAMETER),
        ("sport", 1008, '{"x": NaN, "y": 0, "z": 0}', BAD_PARAMETER),
        ("sport", 1008, '{"x": 0.3}', BAD_PARAMETER),
        ("sport", 1008, "[]", BAD_PARAMETER),
        ("sport", 1008, "{", BAD_PARAMETER),
        ("sport", 1015, '{"data": 2}', BAD_PARAMETER),
        ("sport", 2044, '{"data": 1}', BAD_PARAMETER),
        ("vui", 1003, '{"volume": 11}', BAD_PARAMETER),
        ("vui", 1005, '{"brightness": 10}', OK),
        ("obstacles_avoid", 1001, '{"enable": "no"}', BAD_PARAMETER),
        ("obstacles_avoid", 9999, "{}", NOT_IMPLEMENTED),
    ],
)
def test_response_code(service, api_id, parameter, code):
    assert robot_without_node().call(service, api_id, parameter, 0.0)[0] == code


@pytest.mark.parametrize("firmware", ["mcf", "legacy"])
def test_it_knows_every_request_of_the_skill_table(firmware):
    for skill in load_skills().skills.values():
        for api_id in skill.api.get(firmware, ()):
            parameter = dict(skill.parameter) or {"x": 0, "y": 0, "z": 0, "volume": 5, "brightness": 5}
            assert robot_without_node(firmware).call(skill.service, api_id, json.dumps(parameter), 0.0)[0] == OK, (
                skill.label
            )


def test_it_halts_by_itself_when_moves_stop_coming():
    go2 = robot_without_node()
    go2.call("sport", 1008, '{"x": 0.4, "y": 0, "z": 0}', 0.0)
    run(go2, 0.0, 0.5)
    assert go2.body.velocity[0] == pytest.approx(0.4)
    run(go2, 0.5, 1.0)
    assert go2.body.velocity == [0.0, 0.0, 0.0]
    assert go2.body.pose.x == pytest.approx(0.2, abs=0.03)


def test_it_does_not_walk_sitting_or_locked():
    for go2 in (robot_without_node(posture="sitting"), robot_without_node(posture="lying")):
        go2.call("sport", 1004, "{}", 0.0)
        run(go2, 0.0, 2.0)
        go2.call("sport", 1008, '{"x": 0.4, "y": 0, "z": 0}', 2.0)
        run(go2, 2.0, 2.5)
        assert go2.body.pose.x == 0.0
    assert go2.state().locked


@pytest.mark.parametrize(
    ("before", "api_id", "after"),
    [
        ("lying", 1004, "standing"),
        ("sitting", 1010, "standing"),
        ("fallen", 1006, "standing"),
        ("standing", 1005, "lying"),
        ("standing", 1009, "sitting"),
        ("standing", 1001, "damped"),
        ("fallen", 1004, "fallen"),
        ("damped", 1004, "standing"),
    ],
)
def test_posture_changes(before, api_id, after):
    go2 = robot_without_node(posture=before)
    assert go2.state().posture == before
    go2.call("sport", api_id, "{}", 0.0)
    run(go2, 0.0, 2.1)
    assert go2.state().posture == after


def test_node_answers_with_the_id_of_the_request_and_not_at_all_when_told_so(ros, robot, person):
    robot()
    answers, states = [], []
    interfaces.RESPONSES["sport"].subscribe(person, answers.append)
    interfaces.SPORT_STATE.subscribe(person, states.append)
    publisher = interfaces.REQUESTS["sport"].publisher(person)
    wait_for(lambda: publisher.get_subscription_count() == 2 and person.count_publishers("/api/sport/response"))
    wait_for(lambda: states)
    for number, noreply in ((7, True), (8, False)):
        request = Request(parameter="{}")
        request.header.identity.id, request.header.identity.api_id = number, 1016
        request.header.policy.noreply = noreply
        publisher.publish(request)
    wait_for(lambda: answers)
    (answer,) = answers
    assert (answer.header.identity.id, answer.header.identity.api_id, answer.header.status.code) == (8, 1016, OK)
    wait_for(lambda: robot_state_from_msg(states[-1]).mode == 2)


def test_state_that_is_not_finite_is_no_state():
    message = SportModeState(position=[math.nan, 0.0, 0.0])
    assert robot_state_from_msg(message) is None
    assert robot_state_from_msg(SportModeState()) is not None
