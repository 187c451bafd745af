"""Whatever happens in whatever order, these hold."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from scene import DAMPED, FALLEN, LOCKED, LYING, SITTING, STANDING, TABLE, Scene

from shadow_intent.intent import Slots
from shadow_intent.jobs import Action, Say, Send, Status
from shadow_intent.robot import BALANCE_STAND, DAMP, STOP_MOVE
from shadow_intent.runner import LAUNCH_DELAY_S

HAZARDOUS = {i for s in TABLE.skills.values() if s.guard == "confirm" for i in s.api["mcf"] if s.service == "sport"}
WARNINGS = {text for s in TABLE.skills.values() if s.guard == "confirm" for text in s.say.values()}
BODY = [(i, s) for s in TABLE.skills.values() if s.exclusive for key in ("mcf", "sitting") for i in s.api.get(key, ())]
ALLOWED = {BALANCE_STAND: {"standing"}, **{i: {p for j, s in BODY if i == j for p in s.postures} for i, _ in BODY}}
"""Sport API id of what owns the body -> the postures in which the robot may be asked for it."""
FINAL = {"succeeded", "refused", "preempted", "timed_out"}
SLOTS = st.builds(
    Slots, st.none() | st.floats(0.01, 99), st.none() | st.floats(0.01, 999), count=st.none() | st.integers(1, 9)
)
COMMANDS = st.tuples(
    st.just("hear"),
    st.sampled_from([*TABLE.skills, "move_forward", "affirm", "back_flip", "fly"]),
    st.booleans(),
    st.integers(0, 2),
    SLOTS,
)
EVENTS = st.one_of(
    COMMANDS,
    COMMANDS,
    st.tuples(st.just("wait"), st.floats(0.05, 3.0), st.sampled_from([0, 0, 0, 3203, None])),
    st.tuples(st.just("state"), st.sampled_from([None, STANDING, STANDING, LOCKED, SITTING, LYING, DAMPED, FALLEN])),
)
AGREED = st.tuples(st.just("agreed"), st.sampled_from(["back_flip", "hand_stand", "jump"]), st.booleans())
"""A hazardous skill and the yes to it, while the robot walks or not."""


def play(scene: Scene, events: list[tuple]) -> Scene:
    for number, (kind, *values) in enumerate(events):
        if kind == "hear":
            label, spoken, step, slots = values
            scene.hear(label, f"u{number - step}", at=scene.now + 0.1, spoken=spoken, step=step, slots=slots)
        elif kind == "agreed":
            label, walks = values
            if walks:
                scene.hear("move_forward", f"w{number}").wait(0.3)
            scene.hear(label, f"u{number}").hear("affirm", f"y{number}")
        elif kind == "wait":
            scene.wait(*values)
        else:
            (scene.state,) = values
    return scene


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=15))
def test_no_hazard_without_the_switch(events):
    scene = play(Scene(), events)
    assert not HAZARDOUS & {a.request.api_id for a in scene.all if isinstance(a, Send)}


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=15))
def test_no_hazard_without_a_spoken_yes(events):
    silent = [e for e in events if e[0] != "hear" or e[1] != "affirm" or not e[2]]
    scene = play(Scene(allow_hazardous=True), silent)
    assert not HAZARDOUS & {a.request.api_id for a in scene.all if isinstance(a, Send)}


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=15))
def test_stop_ends_every_movement_and_shut_down_every_job(events):
    scene = play(Scene(allow_hazardous=True), events)
    scene.hear("stop", "halt")
    before = len(scene.all)
    scene.wait(3.0)
    assert [a for a in scene.all[before:] if isinstance(a, Send)] == []
    scene.keep(scene.guard.shut_down(scene.now))
    assert scene.guard.jobs == 0
    accepted = sum(a.state == "accepted" for a in scene.all if isinstance(a, Status))
    started = {(a.utterance_id, a.label) for a in scene.all if isinstance(a, Status) and a.state == "accepted"}
    ended = [
        a for a in scene.all if isinstance(a, Status) and a.state in FINAL and (a.utterance_id, a.label) in started
    ]
    assert len(ended) >= accepted


class Witness(Scene):
    """Keeps beside what is said and asked of the sport service when that was, and the posture that the guard knew."""

    def __init__(self) -> None:
        super().__init__(allow_hazardous=True)
        self.seen: list[tuple[float, str, str | int]] = []
        """The words, or the API id of a request; switching a mode off is none."""

    def keep(self, actions: list[Action]) -> Scene:
        posture = self.guard.world.state.posture
        for action in actions:
            if isinstance(action, Say):
                self.seen.append((self.now, posture, action.text))
            elif isinstance(action, Send) and action.request.service == "sport" and not _switches_off(action):
                self.seen.append((self.now, posture, action.request.api_id))
        return super().keep(actions)


def _switches_off(action: Send) -> bool:
    return action.request.parameter.get("data") is False


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS | AGREED, max_size=15))
def test_what_owns_the_body_begins_only_in_a_posture_that_permits_it(events):
    scene = Witness()
    play(scene, events)
    for _, posture, what in scene.seen:
        assert posture in ALLOWED.get(what, {posture})


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS | AGREED, max_size=15))
def test_a_hazard_follows_its_warning_by_the_delay_and_no_stop_comes_between(events):
    scene = Witness()
    play(scene, events)
    warned = math.inf
    for at, _, what in scene.seen:
        if what in WARNINGS:
            warned = at
        elif what in (STOP_MOVE, DAMP):
            warned = math.inf
        elif what in HAZARDOUS:
            assert at - warned >= LAUNCH_DELAY_S - 1e-9
            warned = math.inf
