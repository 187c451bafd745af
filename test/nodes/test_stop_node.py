"""stop_node: stops without anybody else, lets nothing follow a stop, and ends what a dead skill_node began."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from person import Person, parameters
from support import ROOT, wait_for
from unitree_api.msg import Request, Response

from shadow_intent import msg
from shadow_intent.intent import NO_SLOTS, Slots
from shadow_intent.nodes import interfaces, priority
from shadow_intent.nodes.stop_node import REPEAT_S, StopNode

pytestmark = pytest.mark.timeout(60)

DAMP, STOP_MOVE, MOVE, STAND_UP, HELLO = 1001, 1003, 1008, 1004, 1016
SPEED_LEVEL, HAND_STAND = 1015, 2044


class Skills:
    """What skill_node sends and hears, by hand, and a robot that answers every call."""

    def __init__(self, person: Person) -> None:
        self.states: list[msg.StopState] = []
        interfaces.STOP_STATE.subscribe(person, self.states.append)
        self._requests = interfaces.SPORT_REQUEST.publisher(person)
        self.answering = True
        self._responses = interfaces.RESPONSES["sport"].publisher(person)
        interfaces.REQUESTS["sport"].subscribe(person, lambda request: self.answering and self.answer(request))
        wait_for(lambda: self._requests.get_subscription_count() and self.states)
        wait_for(self._responses.get_subscription_count)
        wait_for(lambda: person.count_publishers("/api/sport/request") and person._text.get_subscription_count())
        self.person = person

    @property
    def epoch(self) -> int:
        return self.states[-1].epoch

    def ask(self, api_id: int, epoch: int | None = None, request_id: int = 1, parameter: str = "{}") -> None:
        request = Request(parameter=parameter)
        request.header.identity.id, request.header.identity.api_id = request_id, api_id
        request.header.lease.id = self.epoch if epoch is None else epoch
        self._requests.publish(request)

    def answer(self, request: Request, code: int = 0) -> None:
        response = Response()
        response.header.status.code = code
        response.header.identity = request.header.identity
        self._responses.publish(response)

    def sent(self) -> list[int]:
        return [r.header.identity.api_id for r in self.person.requests]


@pytest.fixture
def skills(ros: Callable[..., Any], person: Person) -> Skills:
    ros(StopNode, **parameters(robot="mock", diagnostics_hz=10.0))
    return Skills(person)


@pytest.mark.parametrize(("text", "api_id"), [("stop", STOP_MOVE), ("停下", STOP_MOVE), ("emergency stop", DAMP)])
def test_a_spoken_stop_reaches_the_robot_without_skill_node(skills, person, text, api_id):
    before = skills.epoch
    person.shout(text)
    wait_for(lambda: skills.sent() == [api_id])
    wait_for(lambda: skills.epoch == before + 1)
    state = next(s for s in skills.states if s.epoch == before + 1)
    assert (state.request_id, state.utterance_id) == (person.requests[0].header.identity.id, "")
    assert state.cause == ("damp" if api_id == DAMP else "stop")


def test_the_robots_own_words_may_stop_it_but_not_make_it_limp(skills, person):
    replies = interfaces.REPLY.publisher(person)
    wait_for(lambda: replies.get_subscription_count() == 2)  # stop_node and the person
    replies.publish(msg.Reply(text="Sure. Motors off.", final=True))
    wait_for(lambda: person.replies)
    person.shout("motors off")
    wait_for(lambda: skills.sent() == [STOP_MOVE])
    person.shout("cut the motors")
    wait_for(lambda: skills.sent() == [STOP_MOVE, DAMP])


def test_a_stop_as_a_voice_command_as_an_intent_and_as_a_plan(skills, person):
    voice = interfaces.VOICE_COMMAND.publisher(person)
    wait_for(voice.get_subscription_count)
    voice.publish(msg.VoiceCommand(text="halt"))
    wait_for(lambda: len(person.requests) == 1)
    utterance = person.say("stop", source="stop")
    wait_for(lambda: len(person.requests) == 2 and skills.states[-1].utterance_id == utterance)
    person.plan(("stop", NO_SLOTS))
    wait_for(lambda: skills.sent() == [STOP_MOVE] * 3)


def test_requests_pass_with_every_field_and_without_our_epoch(skills, person):
    skills.ask(MOVE, request_id=42, parameter=json.dumps({"x": 0.5, "y": 0.0, "z": 0.0}))
    wait_for(lambda: person.requests)
    header = person.requests[0].header
    assert (header.identity.id, header.identity.api_id, header.lease.id) == (42, MOVE, 0)
    assert json.loads(person.requests[0].parameter) == {"x": 0.5, "y": 0.0, "z": 0.0}


def test_what_was_decided_before_a_stop_does_not_follow_it(skills, person):
    old = skills.epoch
    skills.ask(MOVE)
    wait_for(lambda: skills.sent() == [MOVE])
    person.shout("stop")
    wait_for(lambda: skills.epoch != old)
    for api_id in (MOVE, STAND_UP, STOP_MOVE):
        skills.ask(api_id, epoch=old)
    skills.ask(STAND_UP)
    wait_for(lambda: skills.sent()[-1] == STAND_UP)
    wait_for(lambda: skills.sent() == [MOVE, STOP_MOVE, STAND_UP])


def test_velocities_that_stop_coming_are_followed_by_one_stop_move(skills, person):
    before = skills.epoch
    skills.ask(MOVE)
    wait_for(lambda: skills.states[-1].cause == msg.StopState.LEASE)
    assert skills.epoch == before + 1
    person.shout("stop")
    wait_for(lambda: skills.states[-1].cause == msg.StopState.STOP)
    wait_for(lambda: skills.sent() == [MOVE, STOP_MOVE, STOP_MOVE])


def test_a_motion_that_was_ended_leaves_nothing_to_stop(skills, person, ros):
    skills.ask(MOVE)
    skills.ask(STOP_MOVE)
    seen = len(skills.states)
    wait_for(lambda: len(skills.states) > seen + 5)  # half a second of them
    assert skills.sent() == [MOVE, STOP_MOVE]


def test_killed_skill_node_is_followed_by_stop_move(ros, robot, person, domain):
    go2 = robot(time_scale=1.0, move_timeout_s=5.0)  # a robot that would go on walking
    ros(StopNode, **parameters(robot="mock"))
    arguments = ["--ros-args", "-p", "robot:=mock", "-p", "diagnostics_hz:=10.0"]
    command = [sys.executable, "-m", "shadow_intent.nodes.skill_node", *arguments]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": str(ROOT)}
    ready: list[bool] = []
    interfaces.DIAGNOSTICS.subscribe(
        person, lambda m: ready.extend(s.level == DiagnosticStatus.OK for s in m.status if s.name.endswith("robot"))
    )
    process = subprocess.Popen(command, env=environment)
    try:
        client = person.create_client(ChangeState, "skill_node/change_state")
        wait_for(client.service_is_ready, 20)
        for transition in (1, 3):
            request = ChangeState.Request()
            request.transition.id = transition
            future = client.call_async(request)
            wait_for(future.done)
        wait_for(person.matched)
        wait_for(lambda: ready and ready[-1])
        person.say("move_forward", Slots(distance_m=5.0))
        wait_for(lambda: go2.body.velocity[0] > 0.3)
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: person.requests[-1].header.identity.api_id == STOP_MOVE)
        wait_for(lambda: go2.body.velocity == [0.0, 0.0, 0.0])
    finally:
        process.kill()
        process.wait()


def test_skill_node_ends_its_motion_when_stop_node_is_gone(ros, robot, person, domain):
    from shadow_intent.nodes.run import Spinner
    from shadow_intent.nodes.skill_node import SkillNode

    robot()
    stop_node = StopNode(**parameters(robot="mock"))
    node = ros(SkillNode, **parameters(robot="mock"))
    node.trigger_configure(), node.trigger_activate()
    with Spinner(stop_node):
        wait_for(person.matched)
        wait_for(lambda: node.ready)
        walk = person.say("move_forward", Slots(distance_m=5.0))
        wait_for(lambda: person.sent(MOVE))
    outcome = person.outcome(walk)
    assert (outcome.state, "stop node" in outcome.reason) == ("timed_out", True)
    refused = person.outcome(person.say("hello"))
    assert (refused.state, "stop node" in refused.reason) == ("refused", True)
    stop_node.destroy_node()


def test_diagnostics_say_how_urgent_it_is(skills, person):
    seen: list[Any] = []
    interfaces.DIAGNOSTICS.subscribe(person, lambda message: seen.extend(message.status))
    wait_for(lambda: seen)
    values = {entry.key: entry.value for entry in seen[0].values}
    assert (seen[0].name, seen[0].level) == ("/stop_node: stop", DiagnosticStatus.OK)
    assert values["priority"] and values["stops"] == "0"


@pytest.mark.parametrize(
    ("robot", "urgency", "level"),
    [
        ("real", "ordinary: Operation not permitted", DiagnosticStatus.WARN),
        ("real", "real time 20", DiagnosticStatus.OK),
        ("mock", "ordinary: Operation not permitted", DiagnosticStatus.OK),
    ],
)
def test_ordinary_priority_beside_a_real_robot_is_a_warning(ros, person, robot, urgency, level):
    seen: list[Any] = []
    interfaces.DIAGNOSTICS.subscribe(person, lambda message: seen.extend(message.status))
    ros(StopNode, urgency, **parameters(robot=robot, diagnostics_hz=10.0))
    wait_for(lambda: seen)
    assert (seen[0].level, "ordinary priority" in seen[0].message) == (level, level == DiagnosticStatus.WARN)


def test_its_parameters_are_served(skills, person):
    from rcl_interfaces.srv import DescribeParameters

    client = person.create_client(DescribeParameters, "stop_node/describe_parameters")
    wait_for(client.service_is_ready)
    future = client.call_async(DescribeParameters.Request(names=["lease_s"]))
    wait_for(future.done)
    assert "velocity" in future.result().descriptors[0].description


def test_urgency_is_what_the_system_permits():
    code = (
        "import os; from shadow_intent.nodes.priority import hurry; "
        "print(hurry(), '|', os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, (policy, nice) = done.stdout.split("|")[0].strip(), map(int, done.stdout.split("|")[1].split())
    if said.startswith("real time"):
        assert policy == os.SCHED_FIFO
    elif said.startswith("nice"):
        assert nice == priority.URGENT
    else:
        assert said.startswith("ordinary: ") and (policy, nice) == (os.SCHED_OTHER, 0)


def test_after_a_break_in_the_network_the_robot_gets_nothing_that_is_older_than_a_few_seconds(
    skills: Skills,
) -> None:
    (writer,) = skills.person.get_publishers_info_by_topic("/api/sport/request")
    assert writer.qos_profile.lifespan.nanoseconds == interfaces.CALL_LIFESPAN_S * 1e9


def test_a_stop_goes_out_again_until_the_robot_carries_it_out(skills: Skills) -> None:
    warnings: list[bytes] = []

    def keep(array: Any) -> None:
        warnings.extend(s.level for s in array.status if "stop_node" in s.name)

    interfaces.DIAGNOSTICS.subscribe(skills.person, keep)
    skills.answering = False
    skills.person.shout("stop")
    wait_for(lambda: skills.sent().count(STOP_MOVE) >= 3)
    calls = [request.header.identity for request in skills.person.requests]
    assert {(call.id, call.api_id) for call in calls} == {(skills.states[-1].request_id, STOP_MOVE)}
    wait_for(lambda: DiagnosticStatus.WARN in warnings)

    skills.answer(Request())  # of another call
    skills.answer(skills.person.requests[0], code=4202)  # its sport service is not ready
    wait_for(lambda: skills.sent().count(STOP_MOVE) >= 5)
    wait_for(lambda: warnings[-1] == DiagnosticStatus.ERROR)
    skills.answer(skills.person.requests[0])
    warnings.clear()
    wait_for(lambda: warnings[-3:] == [DiagnosticStatus.OK] * 3)
    sent = len(skills.sent())
    time.sleep(3 * REPEAT_S)
    assert len(skills.sent()) == sent


def test_a_motion_begun_since_is_not_ended_by_an_old_stop(skills: Skills) -> None:
    skills.answering = False
    skills.person.shout("stop")
    wait_for(lambda: skills.sent().count(STOP_MOVE) >= 2)
    wait_for(lambda: skills.states[-1].cause == "stop")
    skills.answering = True
    for _ in range(15):
        skills.ask(MOVE)
        time.sleep(0.1)
    wait_for(lambda: skills.states[-1].cause == "lease")
    first = skills.sent().index(MOVE)
    wait_for(lambda: skills.sent()[first:-1] == [MOVE] * 15)


def test_motors_that_did_not_go_off_are_switched_off_after_a_stop_too(skills: Skills) -> None:
    skills.answering = False
    skills.person.shout("emergency stop")
    wait_for(lambda: skills.sent() == [DAMP])
    skills.person.shout("stop")
    wait_for(lambda: skills.sent()[-2:] == [STOP_MOVE, DAMP])
    damp, stop = (next(r for r in skills.person.requests if r.header.identity.api_id == i) for i in (DAMP, STOP_MOVE))
    skills.answer(stop)
    wait_for(lambda: skills.sent()[-3:] == [DAMP] * 3)
    skills.answer(damp)
    time.sleep(REPEAT_S)
    sent = len(skills.sent())
    time.sleep(3 * REPEAT_S)
    assert len(skills.sent()) == sent


@pytest.mark.parametrize(
    ("api_id", "parameter", "ends"),
    [(HELLO, "{}", True), (HAND_STAND, '{"data": false}', False), (SPEED_LEVEL, '{"data": 1}', False)],
)
def test_what_is_asked_for_since_is_not_ended_by_an_old_stop(
    skills: Skills, api_id: int, parameter: str, ends: bool
) -> None:
    skills.answering = False
    skills.person.shout("stop")
    wait_for(lambda: skills.sent().count(STOP_MOVE) >= 2 and skills.states[-1].cause == "stop")
    skills.ask(api_id, parameter=parameter)
    wait_for(lambda: api_id in skills.sent())
    time.sleep(3 * REPEAT_S)
    after = skills.sent()[skills.sent().index(api_id) + 1 :]
    assert after == [] if ends else after.count(STOP_MOVE) >= 2


def test_a_command_of_another_program_does_not_switch_the_motors_off(skills: Skills, person: Person) -> None:
    for source in ("", "edge", "speaker", "cloud"):
        person.plan(("damp", NO_SLOTS), source=source)
    person.say("damp", source="cloud")
    person.plan(("stop", NO_SLOTS))
    person.say("stop")
    wait_for(lambda: skills.sent() == [STOP_MOVE] * 2)
