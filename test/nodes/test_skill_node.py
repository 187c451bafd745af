"""skill_node and the mock Go2, over real DDS."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from person import parameters
from rclpy.lifecycle import TransitionCallbackReturn
from support import ROOT, wait_for
from unitree_go.msg import SportModeState, TimeSpec

from shadow_intent.guard import SOONEST_YES_S
from shadow_intent.intent import NO_SLOTS, Slots
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.params import SkillParams
from shadow_intent.nodes.stop_node import StopNode

pytestmark = pytest.mark.timeout(60)

STOP_MOVE, MOVE, STAND_UP, BALANCE_STAND, HELLO, BACK_FLIP = 1003, 1008, 1004, 1002, 1016, 2043


def test_forward_one_metre_ends_one_metre_ahead_with_stop_move(robot, skills, person):
    go2, _ = robot(time_scale=1.0), skills()  # a quicker body would turn every late message into distance
    utterance = person.say("move_forward", Slots(distance_m=1.0))
    assert person.outcome(utterance).state == "succeeded"
    assert person.states(utterance) == ["accepted", "running", "succeeded"]
    wait_for(lambda: go2.body.velocity[0] == 0.0)
    assert go2.body.x == pytest.approx(1.0, abs=0.1)
    assert abs(go2.body.y) < 0.02
    wait_for(lambda: person.requests[-1].header.identity.api_id == STOP_MOVE)
    moves = [r for r in person.requests if r.header.identity.api_id == MOVE]
    assert all(r.header.policy.noreply for r in moves)
    assert max(v["x"] for v in person.sent(MOVE)) <= 0.5


def test_turn_left_ninety_degrees_turns_ninety_degrees(robot, skills, person):
    go2, _ = robot(time_scale=1.0), skills()  # a quicker body would turn every late message into distance
    assert person.outcome(person.say("turn_left", Slots(angle_deg=90.0))).state == "succeeded"
    wait_for(lambda: go2.body.velocity[2] == 0.0)
    assert math.degrees(go2.body.yaw) == pytest.approx(90.0, abs=10.0)


def test_spoken_stop_in_mid_motion_is_followed_by_no_move(robot, skills, person):
    go2, _ = robot(), skills()
    walk = person.say("move_forward", Slots(distance_m=5.0))
    wait_for(lambda: len(person.sent(MOVE)) > 5)
    person.shout("stop")
    assert person.outcome(walk).state == "preempted"
    time.sleep(0.3)
    assert person.requests[-1].header.identity.api_id == STOP_MOVE
    assert go2.body.velocity == [0.0, 0.0, 0.0]


def test_stop_intent_reports_under_its_utterance(robot, skills, person):
    robot(), skills()
    stop = person.say("stop", source="stop")
    outcome = person.outcome(stop)
    assert (outcome.state, outcome.api_id, outcome.code) == ("succeeded", STOP_MOVE, 0)


def test_hazardous_skill_asks_and_runs_after_yes(robot, skills, person):
    robot(), skills(allow_hazardous=True)
    flip = person.say("back_flip")
    wait_for(lambda: person.replies == ["Shall I do a back flip? Say yes or no."])
    assert person.sent(BACK_FLIP) == []
    time.sleep(SOONEST_YES_S)
    assert person.outcome(person.say("affirm")).state == "succeeded"
    assert person.outcome(flip).state == "succeeded"
    wait_for(lambda: person.sent(BACK_FLIP) == [{}])


def test_hazardous_skill_is_refused_without_the_operator_switch(robot, skills, person):
    robot(), skills()
    assert "operator" in person.outcome(person.say("back_flip", text="后空翻")).reason
    wait_for(lambda: person.replies == ["我不能后空翻：需要操作员允许。"])
    assert person.outcome(person.say("affirm")).reason == "There is nothing to confirm."
    assert person.requests == []


def test_only_who_was_asked_may_say_yes(robot, skills, person):
    robot(), skills(allow_hazardous=True)
    flip = person.say("back_flip", session_id="ann")
    wait_for(lambda: person.replies)
    time.sleep(SOONEST_YES_S)
    assert person.outcome(person.say("affirm", session_id="bob")).reason == "I asked somebody else."
    assert person.sent(BACK_FLIP) == []
    assert person.outcome(person.say("affirm", session_id="ann")).state == "succeeded"
    assert person.outcome(flip).state == "succeeded"


def test_an_open_request_withdraws_the_question(robot, skills, person):
    robot(), skills(allow_hazardous=True)
    flip = person.say("back_flip")
    wait_for(lambda: person.replies)
    person.say("remote", decision="remote", source="cloud")  # how an older request ended
    person.say("affirm", decision="remote")  # an unsure yes
    time.sleep(SOONEST_YES_S)
    assert person.states(flip) == ["accepted"]
    person.say("remote", decision="remote")
    assert person.outcome(flip).reason == "A newer command came."
    assert person.outcome(person.say("affirm")).reason == "There is nothing to confirm."
    assert person.sent(BACK_FLIP) == []


@pytest.mark.parametrize(
    ("intent", "withdrawn"),
    [
        ({"label": "move_forward", "decision": "ignore", "reason": "refused: 99 metres is too far"}, True),
        ({"label": "affirm", "decision": "remote", "source": "cloud"}, True),  # the cloud answered an unsure yes
        ({"label": "deny", "decision": "remote"}, True),  # an unsure no
        ({"label": "affirm", "decision": "ignore", "source": "cloud", "reason": "CloudUnavailable: off"}, False),
        ({"label": "affirm", "decision": "ignore", "reason": "not the speaker's own yes: 'says'"}, False),
        ({"label": "ignore", "decision": "ignore", "reason": "not addressed to the robot"}, False),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else None,
)
def test_what_is_asked_for_meanwhile_withdraws_the_question_and_talk_does_not(robot, skills, person, intent, withdrawn):
    robot(), skills(allow_hazardous=True)
    flip = person.say("back_flip")
    wait_for(lambda: person.replies)
    person.say(**intent)
    time.sleep(SOONEST_YES_S)
    yes = person.outcome(person.say("affirm"))
    assert person.outcome(flip).state == ("preempted" if withdrawn else "succeeded")
    assert yes.reason == ("There is nothing to confirm." if withdrawn else "")
    assert len(person.sent(BACK_FLIP)) == (0 if withdrawn else 1)


def test_slots_that_cannot_be_read_withdraw_the_question(robot, skills, person):
    robot(), skills(allow_hazardous=True)
    flip = person.say("back_flip")
    wait_for(lambda: person.replies)
    slots = Slots(distance_m=1.0)
    object.__setattr__(slots, "distance_m", -1.0)
    person.say("move_forward", slots)
    assert person.outcome(flip).reason == "A newer command came."


def test_a_command_said_before_a_stop_is_not_done_after_it_unless_the_stop_is_in_its_own_words(robot, skills, person):
    robot(), skills()
    person.shout("stop")
    wait_for(lambda: "" in [s.utterance_id for s in person.statuses])
    late = person.outcome(person.say("hello", age_s=1.5))
    assert (late.state, late.reason, person.replies) == ("refused", "Stopped.", [])
    own = person.say("light_on", age_s=1.5, reason="p = 0.99 ≥ 0.83; stopped first: don't move")
    assert person.outcome(own).state == "succeeded"


def test_a_stop_node_that_begins_anew_stops_also_a_robot_that_skill_node_does_not_move(ros, robot, skills, person):
    _, node = robot(), skills()
    ros(StopNode, **parameters(robot="mock"))
    wait_for(lambda: person.sent(STOP_MOVE))
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    time.sleep(0.2)
    before = len(person.sent(STOP_MOVE))
    time.sleep(0.5)  # the two stop_nodes go on telling of different epochs
    assert len(person.sent(STOP_MOVE)) == before  # it may not while it is inactive


def test_a_stop_node_that_begins_anew_is_told_to_stop_what_goes_on(ros, robot, skills, person):
    robot(time_scale=1.0), skills()
    dance = person.say("dance")
    wait_for(lambda: person.states(dance) == ["accepted", "running"])
    ros(StopNode, **parameters(robot="mock"))
    assert person.outcome(dance, seconds=20.0).state == "preempted"
    wait_for(lambda: person.sent(STOP_MOVE))


def test_answers_come_in_the_language_of_the_intent(robot, skills, person):
    robot(), skills()
    person.say("back_flip", language="zh")  # redacted: the text is empty
    wait_for(lambda: person.replies == ["我不能后空翻：需要操作员允许。"])


def test_without_obstacle_avoidance_the_robot_asks_before_it_walks(robot, skills, person):
    go2, node = robot(), skills(diagnostics_hz=10.0)
    wait_for(lambda: node.guard.world.avoiding is True)
    go2.robot.avoiding = False
    node.guard.world.avoiding = None  # as after a restart
    wait_for(lambda: node.guard.world.avoiding is False)
    person.say("move_forward")
    wait_for(lambda: person.replies == ["Obstacle avoidance is off. Shall I walk forward? Say yes or no."])
    assert person.requests == []


def test_a_state_that_repeats_itself_is_no_state(skills, person):
    node = skills(state_timeout_s=0.3)
    publisher = interfaces.SPORT_STATE.publisher(person)
    wait_for(publisher.get_subscription_count)
    frozen = SportModeState(mode=1, stamp=TimeSpec(sec=7))
    publisher.publish(frozen)
    wait_for(lambda: node.guard.world.state_at > 0)
    timer = person.create_timer(0.02, lambda: publisher.publish(frozen))
    wait_for(lambda: not node.guard.world.fresh(time.monotonic()))
    timer.cancel()
    assert person.outcome(person.say("hello")).reason == "I don't know how the robot stands right now."


def test_operator_switch_works_at_run_time(robot, skills, person):
    _, node = robot(), skills()
    (result,) = node.set_parameters(parameters(allow_hazardous=True)["parameter_overrides"])
    assert result.successful
    person.say("back_flip")
    wait_for(lambda: person.replies)
    assert person.replies == ["Shall I do a back flip? Say yes or no."]


@pytest.mark.parametrize("name", [item.name for item in fields(SkillParams) if item.metadata["runtime"]])
def test_every_rule_that_may_change_does_so_at_run_time(skills, name):
    node = skills()
    (item,) = (item for item in fields(SkillParams) if item.name == name)
    before, low, high = getattr(node.guard.world.rules, name), item.metadata["low"], item.metadata["high"]
    value = not before if high is None else type(item.default)(low if before == high else high)
    (result,) = node.set_parameters(parameters(**{name: value})["parameter_overrides"])
    assert result.successful, result.reason
    wait_for(lambda: getattr(node.guard.world.rules, name) == value)


def test_what_may_not_change_and_what_is_out_of_range_is_refused_at_run_time(skills):
    node = skills()
    for name, value in (("move_rate_hz", 15.0), ("firmware", "mcf"), ("min_battery_percent", 101)):
        (result,) = node.set_parameters(parameters(**{name: value})["parameter_overrides"])
        assert not result.successful and name in result.reason


def test_a_lower_limit_set_at_run_time_refuses_the_next_command(robot, skills, person):
    _, node = robot(battery_percent=50.0), skills()
    assert person.outcome(person.say("hello")).state == "succeeded"
    node.set_parameters(parameters(min_battery_percent=60)["parameter_overrides"])
    assert "battery" in person.outcome(person.say("stretch")).reason.lower()


def test_nothing_moves_without_robot_state(skills, person):
    skills()
    for label in ("move_forward", "hello", "stand_up"):
        assert person.outcome(person.say(label)).reason == "I don't know how the robot stands right now."
    assert person.requests == []


@pytest.mark.parametrize("age_s", [3.0, -3.0, 1e9])
def test_command_with_a_stamp_far_from_now_is_refused(robot, skills, person, age_s):
    robot(), skills()
    assert "seconds old" in person.outcome(person.say("hello", age_s=age_s)).reason
    assert person.requests == []


def test_unknown_label_is_refused(robot, skills, person):
    robot(), skills()
    assert "don't know" in person.outcome(person.say("fly")).reason


@pytest.mark.parametrize("value", [math.inf, -1.0, 1e300])
def test_impossible_slots_are_refused(robot, skills, person, value):
    robot(), skills()
    slots = Slots(distance_m=1.0)
    object.__setattr__(slots, "distance_m", value)
    outcome = person.outcome(person.say("move_forward", slots))
    assert outcome.state == "refused"
    assert "distance_m" in outcome.reason
    assert person.requests == []


def test_plan_runs_its_steps_in_order(robot, skills, person):
    go2, _ = robot(time_scale=1.0), skills()
    plan = person.plan(("turn_left", Slots(angle_deg=45.0)), ("move_forward", Slots(distance_m=0.3)))
    assert person.outcome(plan, "turn_left").state == "succeeded"
    assert person.outcome(plan, "move_forward").state == "succeeded"
    wait_for(lambda: person.requests[-1].header.identity.api_id == STOP_MOVE)
    moves = [(v["x"] > 0, v["z"] > 0.1) for v in person.sent(MOVE)]
    assert moves == sorted(moves)  # every turn before every step forward
    assert go2.body.x == pytest.approx(0.3 * math.cos(math.radians(45)), abs=0.06)


def test_plan_may_not_confirm_itself(robot, skills, person):
    robot(), skills(allow_hazardous=True)
    plan = person.plan(("back_flip", NO_SLOTS), ("affirm", NO_SLOTS))
    assert person.outcome(plan, "affirm").reason == "Only a person may say that."
    assert person.sent(BACK_FLIP) == []


def test_sitting_robot_stands_up_before_it_walks(robot, skills, person):
    robot(posture="lying"), skills()
    walk = person.say("move_forward", Slots(distance_m=0.2))
    assert person.outcome(walk).state == "succeeded"
    wait_for(lambda: len(person.requests) >= 3)
    order = [r.header.identity.api_id for r in person.requests]
    assert order[:3] == [STAND_UP, BALANCE_STAND, MOVE]
    assert person.statuses[1].reason == "Standing up first."


def test_status_report_speaks_the_battery(robot, skills, person):
    robot(battery_percent=42.0, low_state_hz=20.0), skills()
    time.sleep(0.2)
    person.say("report_status", text="how much battery is left")
    wait_for(lambda: person.replies)
    assert "42%" in person.replies[0]
    assert "standing" in person.replies[0]


def test_diagnostics_warn_until_the_robot_reports(robot, skills, person):
    skills(diagnostics_hz=10.0)
    seen = []  # stop_node tells about itself on the same topic
    interfaces.DIAGNOSTICS.subscribe(person, lambda m: seen.extend(s for s in m.status if s.name.endswith("robot")))
    wait_for(lambda: seen and seen[-1].level == DiagnosticStatus.WARN)
    robot()
    wait_for(lambda: seen[-1].level == DiagnosticStatus.OK)
    values = {entry.key: entry.value for entry in seen[-1].values}
    assert (values["posture"], values["active"], values["firmware"]) == ("standing", "True", "mcf")
    assert 0.0 <= float(values["state_age_s"]) < 2.0 and 0.0 <= float(values["stop_node_age_s"]) < 2.0


def test_inactive_node_accepts_nothing(robot, skills, person):
    _, node = robot(), skills()
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    hello = person.say("hello")
    person.shout("stop")
    wait_for(lambda: person.sent(STOP_MOVE))  # a stop needs no skill_node
    assert person.states(hello) == [] and len(person.requests) == 1


def test_deactivating_in_mid_motion_sends_stop_move(robot, skills, person):
    _, node = robot(), skills()
    walk = person.say("move_forward", Slots(distance_m=5.0))
    wait_for(lambda: person.sent(MOVE))
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert person.outcome(walk).state == "preempted"
    wait_for(lambda: person.requests[-1].header.identity.api_id == STOP_MOVE)


def test_node_can_be_configured_and_cleaned_up_again_and_again(robot, skills, person):
    _, node = robot(), skills()
    for _ in range(10):
        for trigger in (node.trigger_deactivate, node.trigger_cleanup, node.trigger_configure, node.trigger_activate):
            assert trigger() == TransitionCallbackReturn.SUCCESS
    wait_for(person.matched)
    wait_for(lambda: node.ready)
    assert person.outcome(person.say("light_on")).state == "succeeded"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_ended_in_mid_motion_sends_stop_move_and_exits_cleanly(ros, robot, person, domain, number):
    robot(), ros(StopNode, namespace="/go2", **parameters(robot="mock"))
    arguments = ["--ros-args", "-p", "robot:=mock", "-r", "__node:=skills", "-r", "__ns:=/go2"]
    command = [sys.executable, "-m", "shadow_intent.nodes.skill_node", *arguments]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment)
    try:
        from lifecycle_msgs.srv import ChangeState

        client = person.create_client(ChangeState, "/go2/skills/change_state")
        wait_for(lambda: client.service_is_ready(), 20)
        for transition in (1, 3):
            request = ChangeState.Request()
            request.transition.id = transition
            future = client.call_async(request)
            wait_for(future.done)
            assert future.result().success
        publisher = person.create_publisher(person._intent.msg_type, "/go2/intent", 10)
        person._intent = publisher
        wait_for(lambda: publisher.get_subscription_count() == 2)
        time.sleep(0.3)  # the child needs a robot state
        person.say("move_forward", Slots(distance_m=5.0))
        wait_for(lambda: person.sent(MOVE))
        process.send_signal(number)
        assert process.wait(10) == 0
        wait_for(lambda: person.requests[-1].header.identity.api_id == STOP_MOVE)
    finally:
        process.kill()
        process.wait()
