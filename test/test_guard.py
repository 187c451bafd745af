"""The guard's transitions, one row each: what happened before, the event, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from scene import DAMPED, FALLEN, LOCKED, LYING, NAMES, SITTING, STANDING, TABLE, Scene

from shadow_intent.intent import Slots
from shadow_intent.jobs import Command, Send, Status
from shadow_intent.robot import Request, RobotState, controller_in_use

REFUSALS = [
    # scene, command, part of the reason
    (Scene(None), ("move_forward", {}), "don't know how the robot stands"),
    (Scene(None), ("hello", {}), "don't know how the robot stands"),
    (Scene(None), ("sit", {}), "don't know how the robot stands"),
    (Scene(FALLEN), ("move_forward", {}), "have fallen"),
    (Scene(FALLEN), ("stand_up", {}), "have fallen"),
    (Scene(DAMPED), ("move_forward", {}), "motors are off"),
    (Scene(LYING), ("speed_up", {}), "while lying down"),
    (Scene(SITTING), ("recover", {}), None),
    (Scene(), ("fly", {}), "don't know the skill fly"),
    (Scene(), ("wiggle_hips", {}), "firmware can't wiggle my hips"),
    (Scene(firmware="legacy", allow_hazardous=True), ("walk_upright", {}), "firmware can't walk upright"),
    (Scene(), ("back_flip", {}), "operator has to allow it"),
    (Scene(), ("avoid_off", {}), "operator has to allow it"),
    (Scene(), ("affirm", {}), "nothing to confirm"),
    (Scene(), ("deny", {}), "nothing to confirm"),
    (Scene(), ("move_forward", {"slots": Slots(distance_m=5.1)}), "distance_m = 5.1 is outside"),
    (Scene(), ("move_forward", {"slots": Slots(angle_deg=10.0)}), "takes no angle_deg"),
    (Scene(), ("hello", {"age_s": 2.1}), "2.1 seconds old"),
    (Scene(), ("hello", {"age_s": -2.1}), "-2.1 seconds old"),
    (Scene(), ("affirm", {"spoken": False}), "Only a person"),
    (Scene(), ("remote", {"spoken": False}), None),
    (Scene(), ("hello", {"spoken": False, "step": 1}), "earlier step"),
]


@pytest.mark.parametrize(("scene", "command", "reason"), REFUSALS, ids=[f"{c[0]}-{r}" for _, c, r in REFUSALS])
def test_refusal_sends_nothing_and_says_why(scene, command, reason):
    label, fields = command
    scene.hear(label, "u", **fields)
    if reason is None:  # allowed, or nothing of ours
        assert scene.states("u") in ([], ["accepted", "running"])
        return
    assert scene.states("u") == ["refused"]
    assert reason in scene.reason("u")
    assert scene.sent == []
    assert scene.said == ([] if "old" in reason or "earlier" in reason else [scene.reason("u")])


def test_state_older_than_the_timeout_is_no_state():
    scene = Scene()
    scene.state = None
    assert scene.hear("hello", "u", at=0.6).states("u") == ["refused"]


@pytest.mark.parametrize("label", ["move_forward", "hello", "jump"])
def test_low_battery_refuses_effort_but_not_rest(label):
    scene = Scene(allow_hazardous=True)
    scene.guard.power(14.0)
    assert "14 percent" in scene.hear(label).reason(label)
    assert scene.hear("lie_down").states("lie_down") == ["accepted", "running"]


def test_hand_controller_has_precedence():
    scene = Scene().hear("move_forward", slots=Slots(distance_m=5.0)).wait(0.5)
    scene.guard.controller(scene.now)
    assert scene.wait(0.1).states("move_forward")[-1] == "preempted"
    assert scene.sent[-1] == "StopMove"
    assert "hand controller" in scene.hear("hello", at=scene.now + 0.2).reason("hello")
    assert scene.hear("hello", "later", at=scene.now + 2.0).states("later") == ["accepted", "running"]


@pytest.mark.parametrize(
    ("label", "state", "requests"),
    [
        ("stand_up", LYING, ["StandUp"]),
        ("stand_up", SITTING, ["RiseSit"]),
        ("stand_up", DAMPED, ["StandUp"]),
        ("recover", FALLEN, ["1006"]),
        ("hello", STANDING, ["1016"]),
        ("light_on", FALLEN, ["1005"]),
        ("move_forward", STANDING, ["Move"]),
        ("move_forward", LOCKED, ["BalanceStand"]),
        ("move_forward", LYING, ["StandUp"]),
        ("move_forward", SITTING, ["RiseSit"]),
        ("lie_down", LOCKED, ["1005"]),
        ("sit", LYING, ["StandUp"]),
    ],
)
def test_first_request_suits_the_posture(label, state, requests):
    assert Scene(state).hear(label).sent == requests


def test_walking_from_lying_stands_up_unlocks_and_walks():
    scene = Scene(LYING).hear("move_forward", "u").wait(1.0)
    scene.state = LOCKED
    scene.wait(0.5).state = STANDING
    scene.wait(0.5)
    assert scene.sent == ["StandUp", "BalanceStand", "Move"]
    assert scene.states("u") == ["accepted", "running", "running"]


def test_robot_that_never_stands_up_times_out():
    assert Scene(LYING).hear("move_forward", "u").wait(5.5).states("u")[-1] == "timed_out"


def test_request_succeeds_after_its_response_and_its_seconds():
    scene = Scene().hear("hello")
    assert scene.wait(3.9).states("hello") == ["accepted", "running"]
    assert scene.wait(0.3).states("hello") == ["accepted", "running", "succeeded"]
    assert [a.code for a in scene.all if isinstance(a, Status)] == [-1, -1, 0]


def test_repeated_gesture_runs_as_often_as_said():
    assert Scene().hear("hello", slots=Slots(count=2)).wait(9.0).sent == ["1016", "1016"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.guard.power(10.0), "battery is too low"),
        (lambda s: setattr(s, "state", DAMPED), "motors are off"),
        (lambda s: setattr(s.guard, "stop_node", lambda now: None), "stop node does not run"),
    ],
)
def test_every_repetition_is_admitted_anew(change, reason):
    scene = Scene().hear("hello", slots=Slots(count=3)).wait(1.0)
    change(scene)
    scene.wait(9.0)
    assert (scene.sent, scene.states("hello")[-1]) == (["1016"], "preempted")
    assert reason in scene.reason("hello")


def test_dances_take_turns():
    assert Scene().hear("dance").wait(13.0).hear("dance", "again").sent == ["1022", "1023"]


def test_robot_that_refuses_ends_the_job_with_its_code():
    scene = Scene().hear("hello").answer(3203)
    assert scene.states("hello")[-1] == "refused"
    assert "code 3203" in scene.reason("hello")


def test_robot_that_does_not_answer_times_out():
    scene = Scene().hear("hello").wait(1.1, answer=None)
    assert scene.states("hello")[-1] == "timed_out"
    assert scene.said == ["The robot did not answer."]
    assert scene.sent == ["1016", "StopMove"]  # it may wave all the same
    assert Scene().hear("lie_down").wait(1.1, answer=None).sent == ["1005"]


def test_posture_skill_must_show_its_posture():
    assert Scene(STANDING).hear("sit", "u").wait(5.2).states("u")[-1] == "timed_out"
    scene = Scene(STANDING).hear("sit", "u").wait(1.0)
    scene.state = SITTING
    assert scene.wait(2.0).states("u")[-1] == "succeeded"


def test_motion_ends_with_stop_move_and_its_response():
    scene = Scene().hear("move_forward", slots=Slots(distance_m=0.2)).wait(0.5)
    scene.state = RobotState(x=0.2)
    scene.wait(0.1, answer=None)
    assert scene.sent == ["Move", "StopMove"]
    assert scene.states("move_forward") == ["accepted", "running"]
    assert scene.answer(0).states("move_forward")[-1] == "succeeded"


@pytest.mark.parametrize(
    ("then", "state", "outcome"),
    [
        ("stale", None, "timed_out"),
        ("fallen", FALLEN, "preempted"),
        ("sitting", SITTING, "preempted"),
        ("lying", LYING, "preempted"),
        ("limp", DAMPED, "preempted"),
        ("stuck", STANDING, "timed_out"),
    ],
)
def test_motion_that_goes_wrong_ends_with_stop_move(then, state, outcome):
    scene = Scene().hear("move_forward").wait(0.5)
    scene.state = state
    scene.wait(8.0)
    assert scene.states("move_forward")[-1] == outcome
    assert scene.sent == ["Move", "StopMove"]


@pytest.mark.parametrize(("label", "goes_on"), [("move_forward", False), ("move_left", False), ("turn_left", True)])
def test_a_walk_ends_when_obstacle_avoidance_goes_off(label, goes_on):
    scene = Scene().hear(label).wait(0.5)
    scene.guard.avoidance(False)
    scene.wait(0.1)
    assert scene.states(label)[-1] == ("running" if goes_on else "preempted")
    assert scene.sent == (["Move"] if goes_on else ["Move", "StopMove"])


def test_new_motion_preempts_the_old_one():
    scene = Scene().hear("move_forward").wait(0.5).hear("turn_left").wait(0.2)
    assert scene.states("move_forward")[-1] == "preempted"
    assert scene.states("turn_left") == ["accepted", "running"]
    assert scene.sent == ["Move", "StopMove", "Move"]


def test_light_does_not_preempt_a_motion():
    scene = Scene().hear("move_forward").wait(0.5).hear("light_on").wait(0.5)
    assert scene.states("move_forward") == ["accepted", "running"]
    assert scene.states("light_on")[-1] == "succeeded"


@pytest.mark.parametrize("label", ["stop", "damp"])
@pytest.mark.parametrize("state", [None, STANDING, FALLEN, DAMPED])
def test_stop_passes_every_rule(label, state):
    scene = Scene(state)
    scene.guard.power(0.0)
    for utterance in ("first", "second"):
        scene.hear(label, utterance, at=scene.now + 0.01, age_s=99.0)
    assert scene.sent == [NAMES[TABLE[label].api["mcf"][0]]] * 2
    assert scene.answer(0).states("second") == ["accepted", "running", "succeeded"]


def test_stop_in_mid_motion_sends_stop_move_before_anything_else():
    scene = Scene().hear("move_forward").wait(0.5)
    before = len(scene.all)
    scene.hear("stop")
    assert isinstance(scene.all[before], Send)
    assert scene.wait(0.5).sent == ["Move", "StopMove"]
    assert scene.states("move_forward")[-1] == "preempted"


STOPPED: dict[str, Callable[[Scene], object]] = {
    "stop": lambda s: s.hear("stop", at=s.now),
    "damp": lambda s: s.hear("damp", at=s.now),
    "sent by stop_node": lambda s: s.keep(s.guard.stop(Command("x", "stop"), s.now, Request(77, "sport", 1003))),
    "lease": lambda s: s.keep(s.guard.halted(s.now)),
}


@pytest.mark.parametrize("how", STOPPED)
@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ({"age_s": 0.6}, False),  # half a second later: said before the stop
        ({"age_s": 0.4}, True),
        ({"age_s": -1.0}, True),  # stamped ahead
        ({"age_s": 0.6, "spoken": False}, False),
        ({"age_s": 0.6, "holds_stop": True}, True),  # the stop was its own
    ],
)
def test_what_was_said_before_a_stop_is_not_done_after_it(how, fields, runs):
    scene = Scene()
    STOPPED[how](scene)
    before = len(scene.all)
    scene.hear("sit", "u", at=scene.now + 0.5, **fields)
    assert scene.sent_since(before) == (["1009"] if runs else [])
    assert scene.states("u")[-1] == ("running" if runs else "refused")
    assert scene.said == []


def test_a_stop_after_the_one_in_its_own_words_ends_a_command_too():
    scene = Scene().hear("stop", "own", at=1.0).hear("stop", "later", at=1.2)
    scene.hear("sit", "u", at=1.5, age_s=0.6, holds_stop=True)
    assert (scene.states("u"), scene.reason("u")) == (["refused"], "Stopped.")


def test_a_stop_before_the_clock_was_set_back_is_forgotten():
    scene = Scene().hear("stop", at=100.0)
    scene.keep(scene.guard.clock_set_back(5.0))
    assert scene.hear("sit", "u", at=6.0).states("u") == ["accepted", "running"]


def test_stop_already_on_the_wire_is_not_sent_again():
    scene = Scene().hear("move_forward").wait(0.5)
    request = Request(77, "sport", 1003)
    scene.keep(scene.guard.stop(Command("s", "stop"), scene.now, sent=request))
    assert scene.sent == ["Move"]
    scene.keep(scene.guard.response(request.id, 0, scene.now))
    assert scene.states("s")[-1] == "succeeded"


def test_levels_step_and_stay_within_their_range():
    scene = Scene()
    for turn in range(4):
        scene.hear("volume_up", str(turn)).wait(0.5)
    assert [a.request.parameter["volume"] for a in scene.all if isinstance(a, Send)] == [7, 9, 10, 10]


def test_slower_slows_what_moves_by_its_ramp():
    scene = Scene().hear("move_forward", slots=Slots(distance_m=5.0, speed="fast")).wait(2.0)
    before = len(scene.all)
    scene.hear("slow_down", at=scene.now).wait(1.0)
    moves = [a.request.parameter["x"] for a in scene.all[before - 1 :] if isinstance(a, Send) and a.request.noreply]
    assert moves[-1] == pytest.approx(TABLE["move_forward"].velocity["vx"] * TABLE.speeds["slow"])
    assert moves[-1] < moves[0]
    assert all(0 <= faster - slower <= 0.8 * 0.05 + 1e-4 for faster, slower in pairwise(moves))


def test_faster_makes_the_next_walk_faster():
    scene = Scene().hear("speed_up").wait(0.5)
    scene.hear("move_forward").wait(2.0)
    assert max(a.request.parameter.get("x", 0) for a in scene.all if isinstance(a, Send)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("said", "end", "speed"), [("speed_up", "stop", 0.5), ("speed_up", "damp", 0.5), ("slow_down", "stop", 0.25)]
)
def test_nobody_walks_fast_after_a_stop(said, end, speed):
    scene = Scene().hear(said).wait(0.5).hear(end).wait(0.5)
    scene.hear("move_forward").wait(2.0)
    assert max(a.request.parameter.get("x", 0) for a in scene.all if isinstance(a, Send)) == pytest.approx(speed)


@pytest.mark.parametrize(("language", "words"), [("en", "Battery 55%. I am sitting."), ("zh", "电量55%。我现在坐着。")])
def test_status_is_spoken_in_the_speakers_language(language, words):
    scene = Scene(SITTING)
    scene.guard.power(55.0)
    assert scene.hear("report_status", language=language).said[0].startswith(words)


def test_shut_down_stops_only_a_robot_that_moves():
    idle, moving = Scene(), Scene().hear("move_forward").wait(0.5)
    assert idle.keep(idle.guard.shut_down(9.0)).sent == []
    assert moving.keep(moving.guard.shut_down(9.0)).sent == ["Move", "StopMove"]


@pytest.mark.parametrize(
    ("state", "posture"),
    [
        (RobotState(mode=0), "standing"),
        (RobotState(mode=3), "standing"),
        (RobotState(mode=5), "lying"),
        (RobotState(mode=7), "damped"),
        (RobotState(mode=10), "sitting"),
        (RobotState(mode=0, error_code=1001), "damped"),
        (RobotState(mode=0, error_code=1007), "sitting"),
        (RobotState(mode=0, error_code=2006), "lying"),
        (RobotState(mode=3, pitch=-1.2), "fallen"),
    ],
)
def test_posture_is_read_from_mode_state_code_and_tilt(state, posture):
    assert state.posture == posture


def test_hand_controller_is_read_from_its_forty_bytes():
    assert not controller_in_use(bytes(40))
    assert controller_in_use(bytes([0, 0, 1]) + bytes(37))
    assert controller_in_use(bytes(4) + b"\x00\x00\x00\x3f" + bytes(32))  # 0.5


def test_a_stop_whose_answer_came_before_stop_nodes_word_of_it_has_succeeded():
    scene, sent = Scene(), Request(99, "sport", 1003)
    scene.keep(scene.guard.response(99, 0, scene.now))
    scene.keep(scene.guard.stop(Command("s", "stop"), scene.now, sent))
    assert scene.states("s") == ["accepted", "running", "succeeded"]
    scene.keep(scene.guard.response(98, 3203, scene.now))
    scene.keep(scene.guard.stop(Command("t", "stop"), scene.now, Request(98, "sport", 1003)))
    assert scene.states("t") == ["accepted", "running", "refused"]
