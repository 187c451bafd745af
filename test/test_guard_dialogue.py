"""The guard's questions, plans and duplicates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scene import FALLEN, LYING, RULES, STANDING, Scene

from shadow_intent.intent import Slots
from shadow_intent.jobs import MAX_PLAN_STEPS, Command, Send, Status
from shadow_intent.runner import LAUNCH_DELAY_S
from shadow_intent.world import REST_S


def test_confirmed_skill_runs_after_yes_within_the_window():
    scene = Scene(allow_hazardous=True).hear("back_flip").wait(7.0)
    assert scene.said == ["Shall I do a back flip? Say yes or no."]
    assert scene.sent == []
    scene.hear("affirm", at=scene.now).wait(LAUNCH_DELAY_S - 0.1)
    assert (scene.said[1:], scene.sent) == (["Stand clear."], [])
    assert scene.states("back_flip") == ["accepted", "running"]
    assert scene.reason("back_flip") == "Warning people first."
    assert scene.states("affirm") == ["succeeded"]
    assert scene.wait(0.2).sent == ["2043"]
    assert scene.said[1:] == ["Stand clear."]


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (lambda s: s.hear("stop", at=s.now + 0.1), ["StopMove"]),
        (lambda s: s.hear("deny", at=s.now + 0.1), ["StopMove"]),
        (lambda s: s.hear("bow", at=s.now + 0.1), ["StopMove", "1029"]),
        (lambda s: s.hear("front_flip", at=s.now + 0.1), ["StopMove"]),
        (lambda s: s.hear("light_on", at=s.now + 0.1), ["StopMove", "1005"]),
        (lambda s: s.hear("dance", at=s.now + 0.1, slots=Slots(count=9)), ["StopMove"]),
        (lambda s: s.hear("light_on", at=s.now + 0.1, spoken=False), ["StopMove", "1005"]),
        (lambda s: s.keep(s.guard.withdraw(s.now)), ["StopMove"]),
        (lambda s: s.hear("report_status", at=s.now + 0.1), ["StopMove"]),
        (lambda s: s.hear("fly", at=s.now + 0.1), ["StopMove"]),
        (lambda s: s.keep(s.guard.reject(Command("a", "move_forward"), "-1 metres", s.now)), ["StopMove"]),
        (lambda s: s.guard.controller(s.now), []),
    ],
    ids=[
        "stop",
        "no",
        "another skill",
        "another flip",
        "a light",
        "what is refused",
        "a plan",
        "something unclear, such as 'watch out'",
        "a question",
        "an unknown skill",
        "what cannot be read",
        "hand controller",
    ],
)
def test_after_the_warning_there_is_time_to_call_it_off(event, sent):
    scene = Scene(allow_hazardous=True).hear("back_flip").hear("affirm").wait(LAUNCH_DELAY_S - 0.5)
    event(scene)
    assert scene.wait(3.0).sent == sent
    assert scene.states("back_flip")[-1] == "preempted"


def test_a_flip_begins_after_the_walk_has_come_to_rest():
    scene = Scene(allow_hazardous=True).hear("move_forward", slots=Slots(distance_m=5.0)).wait(1.0)
    scene.hear("back_flip").wait(0.5).hear("affirm")
    assert scene.sent == ["Move", "StopMove"]
    assert scene.wait(LAUNCH_DELAY_S + 0.1).sent == ["Move", "StopMove", "2043"]


def drifting(scene: Scene, seconds: float, **per_tick: float) -> Scene:
    for _ in range(round(seconds * 20)):
        scene.state = replace(scene.state, **{k: getattr(scene.state, k) + v for k, v in per_tick.items()})
        scene.wait(0.05)
    return scene


@pytest.mark.parametrize("per_tick", [{"x": 0.02}, {"y": -0.02}, {"yaw": 0.05}], ids=str)
def test_a_robot_that_still_moves_begins_no_flip(per_tick):
    scene = Scene(allow_hazardous=True).hear("back_flip").hear("affirm")
    assert drifting(scene, LAUNCH_DELAY_S + 2.0, **per_tick).sent == []
    assert drifting(scene, REST_S - 0.1).sent == []
    assert drifting(scene, 0.2).sent == ["2043"]


def test_a_robot_that_never_comes_to_rest_gives_the_flip_up_and_one_that_sways_does_not():
    scene = Scene(allow_hazardous=True).hear("back_flip").hear("affirm")
    assert drifting(scene, 10.0, yaw=-0.05).sent == []
    assert (scene.states("back_flip")[-1], scene.said[-1]) == ("timed_out", "I could not come to rest.")
    scene = Scene(allow_hazardous=True).hear("back_flip").hear("affirm")
    for turn in range(12):
        drifting(scene, 0.2, y=(-1) ** turn * 0.005, yaw=(-1) ** turn * 0.01)
    assert scene.sent == ["2043"]


def test_rest_is_seen_anew_after_the_clock_was_set_back():
    scene = Scene(allow_hazardous=True)
    scene.state = replace(STANDING, x=1.0)
    scene.hear("light_on", at=100.0).keep(scene.guard.clock_set_back(5.0))
    before = len(scene.all)
    scene.hear("back_flip", at=6.0).hear("affirm", at=7.0).wait(LAUNCH_DELAY_S + 0.1)
    assert scene.sent_since(before) == ["2043"]


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (lambda s: s.wait(8.1), "refused"),
        (lambda s: s.hear("deny"), "refused"),
        (lambda s: s.hear("stop"), "preempted"),
        (lambda s: s.hear("hello"), "preempted"),
        (lambda s: s.keep(s.guard.shut_down(s.now)), "preempted"),
    ],
    ids=["silence", "no", "stop", "another skill", "shut down"],
)
def test_question_ends_without_a_yes(event, outcome):
    scene = Scene(allow_hazardous=True).hear("back_flip")
    event(scene)
    assert scene.states("back_flip") == ["accepted", outcome]
    assert "nothing to confirm" in scene.hear("affirm").reason("affirm")
    assert "2043" not in scene.sent


def test_yes_is_checked_again():
    scene = Scene(allow_hazardous=True).hear("back_flip")
    scene.state = FALLEN
    assert scene.hear("affirm").states("back_flip")[-1] == "refused"
    scene = Scene(allow_hazardous=True).hear("back_flip")
    scene.guard.world.rules = RULES
    assert "operator" in scene.hear("affirm").reason("back_flip")


def test_the_switch_turned_off_while_it_stands_up_holds_a_confirmed_skill_back():
    scene = Scene(LYING, allow_hazardous=True).hear("back_flip").hear("affirm")
    assert scene.sent == ["StandUp"]
    scene.guard.world.rules = RULES
    scene.state = STANDING
    assert scene.wait(1.0).sent == ["StandUp"]
    assert "operator" in scene.reason("back_flip")


def test_a_yes_stamped_ahead_is_no_later_than_it_came():
    scene = Scene(allow_hazardous=True).hear("back_flip")
    assert scene.hear("affirm", at=scene.now + 0.1, age_s=-1.5).sent == []
    assert scene.hear("affirm", at=scene.now + 1.0, age_s=-1.5).wait(2.1).sent == ["2043"]


def test_a_no_without_a_question_ends_the_plan_and_what_moves():
    scene = Scene().hear("hello", "p", spoken=False).hear("dance", "p", at=1.0, spoken=False, step=1)
    scene.hear("deny", "n")
    assert scene.sent == ["1016", "StopMove"]
    assert scene.states("p")[-2:] == ["refused", "preempted"] and scene.states("n") == ["succeeded"]
    assert scene.said == ["All right, I won't."]
    assert scene.wait(5.0).sent == ["1016", "StopMove"]
    assert "nothing to confirm" in scene.hear("deny", "again").reason("again")


def test_avoidance_that_may_be_off_is_asked_about():
    scene = Scene(allow_hazardous=True).hear("avoid_off").hear("affirm").wait(2.0, answer=None)
    assert scene.states("avoid_off")[-1] == "timed_out"
    assert "Obstacle avoidance is off" in scene.hear("move_forward").said[-1]


def test_plan_may_not_say_yes():
    scene = Scene(allow_hazardous=True).hear("back_flip", "p", spoken=False).hear("affirm", "p", spoken=False, step=1)
    assert scene.wait(1.0).sent == []


def test_mode_is_switched_off_when_the_skill_ends():
    scene = Scene(allow_hazardous=True).hear("hand_stand").hear("affirm").wait(8.0)
    parameters = [a.request.parameter for a in scene.all if isinstance(a, Send)]
    assert parameters == [{"data": True}, {"data": False}]
    scene = Scene(allow_hazardous=True).hear("hand_stand").hear("affirm").wait(3.0).hear("stop")
    assert scene.sent == ["2044", "StopMove", "2044"]


def test_nothing_follows_a_damp():
    scene = Scene(allow_hazardous=True).hear("hand_stand").hear("affirm").wait(3.0).hear("damp")
    assert scene.wait(1.0).sent == ["2044", "Damp"]


def test_upside_down_in_a_handstand_is_no_fall():
    scene = Scene(allow_hazardous=True).hear("hand_stand").hear("affirm").wait(2.5)
    scene.state = FALLEN
    assert scene.wait(6.0).states("hand_stand")[-1] == "succeeded"
    assert "fallen" in scene.hear("hello").reason("hello")


def test_duplicate_within_half_a_second_is_dropped_silently():
    scene = Scene().hear("hello", "a").hear("hello", "b", at=1.4)
    assert scene.states("b") == ["refused"]
    assert (scene.sent, scene.said) == (["1016"], [])
    assert scene.hear("move_forward", "c", at=1.5).states("c") == ["accepted", "running"]


def test_plan_waits_for_each_step():
    scene = Scene().hear("hello", "p", spoken=False)
    scene.hear("stretch", "p", at=1.0, spoken=False, step=1).hear("bow", "p", at=1.0, spoken=False, step=2)
    assert scene.sent == ["1016"]
    assert scene.wait(4.3).sent == ["1016", "1017"]
    assert scene.wait(10.0).sent == ["1016", "1017", "1029"]
    assert scene.states("p").count("succeeded") == 3


@pytest.mark.parametrize("end", ["stop", "light_on", "refusal", "silence"])
def test_plan_is_dropped_whole(end):
    scene = Scene().hear("hello", "p", spoken=False)
    scene.hear("stretch", "p", at=1.0, spoken=False, step=1)
    if end == "refusal":
        scene.answer(3203)
    elif end == "silence":
        scene.wait(1.1, answer=None)
    else:
        scene.hear(end)
    scene.wait(10.0)
    assert "1017" not in scene.sent
    assert [a.state for a in scene.all if isinstance(a, Status) and a.label == "stretch"] == ["refused"]
    assert scene.hear("bow", "p", spoken=False, step=2).reason("p") == "An earlier step did not succeed."


def test_plan_with_a_wrong_first_step_runs_nothing():
    scene = Scene().hear("move_forward", "p", spoken=False, slots=Slots(distance_m=99.0))
    assert scene.hear("hello", "p", spoken=False, step=1).sent == []


def test_plan_of_too_many_steps_is_cut_off():
    scene = Scene()
    for step in range(MAX_PLAN_STEPS + 1):
        scene.hear("hello", "p", at=1.0, spoken=False, step=step)
    assert scene.reason("p") == "That plan has too many steps."


def test_a_yes_that_nobody_can_have_meant_leaves_the_question_open():
    scene = Scene(allow_hazardous=True).hear("back_flip")
    scene.hear("affirm", "echo", at=scene.now + 0.1)
    scene.hear("affirm", "before", age_s=1.5)
    assert scene.sent == []
    assert scene.reason("echo") == scene.reason("before") == "I had not asked yet. Please say yes or no."
    assert scene.hear("affirm", "yes").wait(2.1).sent == ["2043"]
