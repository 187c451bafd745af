"""Whatever happens in whatever order, these hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from scene import DAMPED, FALLEN, LOCKED, LYING, SITTING, STANDING, TABLE, Scene

from shadow_intent.intent import Slots
from shadow_intent.jobs import Send, Status

HAZARDOUS = {i for s in TABLE.skills.values() if s.guard == "confirm" for i in s.api["mcf"] if s.service == "sport"}
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


def play(scene: Scene, events: list[tuple]) -> Scene:
    for number, (kind, *values) in enumerate(events):
        if kind == "hear":
            label, spoken, step, slots = values
            scene.hear(label, f"u{number - step}", at=scene.now + 0.1, spoken=spoken, step=step, slots=slots)
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
