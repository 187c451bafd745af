"""A stop with something else in the same breath, over DDS through every node: the stop wins, each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ear import Ear, ScriptedCloud
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from shadow_intent import msg
from shadow_intent.cloud.plan import Step
from shadow_intent.intent import NO_SLOTS, Slots

STOP_MOVE, MOVE, SIT = 1003, 1008, 1009


@pytest.fixture
def everybody(robot: Any, person: Any, skills: Any, ear: Callable[..., Ear]) -> Callable[..., Ear]:
    """`everybody(**parameters)`: a mock Go2 with stop_node, skill_node and intent_node, matched with each other."""

    def start(**parameters: Any) -> Ear:
        robot()
        skills(duplicate_window_s=0.0, response_timeout_s=10.0)  # a loaded machine answers late
        made = ear(**{"cloud_address": "", **parameters})
        wait_for(lambda: made.witness.ready(robot=True), 20)
        return made

    return start


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("stop, then turn left", "I stopped. Please say again what to do next."),
        ("停，左转", "我停下了，接下来要做什么请再说一遍。"),
    ],
)
def test_a_stop_ends_the_walk_and_nothing_follows_it(
    everybody: Callable[..., Ear], person: Any, text: str, reply: str
) -> None:
    made = everybody()

    def once() -> None:
        person.requests.clear()
        walk = person.say("move_forward", Slots(distance_m=5.0))
        wait_for(lambda: len(person.sent(MOVE)) > 2)
        story = made.say(text)
        assert (story.decision.label, story.decision.source) == ("stop", "stop")
        assert person.outcome(walk).state == "preempted"
        wait_for(lambda: story.said)
        assert story.said == [reply]
        spoken = story.decision.utterance_id
        wait_for(lambda: person.states(spoken))
        assert person.outcome(spoken).state == "succeeded"
        wait_for(lambda: person.sent(STOP_MOVE))
        ids = [r.header.identity.api_id for r in person.requests]
        assert MOVE not in ids[ids.index(STOP_MOVE) :]

    for _ in range(5):
        once()


def test_a_stop_within_a_command_comes_first_and_the_command_is_done(
    everybody: Callable[..., Ear], person: Any
) -> None:
    made = everybody()
    walk = person.say("move_forward", Slots(distance_m=5.0))
    wait_for(lambda: len(person.sent(MOVE)) > 2)
    for _ in range(5):  # a stop that skill_node hears of last has ended the command too: the person repeats it
        outcome = person.outcome(made.say("坐着别动").decision.utterance_id, seconds=30.0)
        if outcome.state == "succeeded":
            break
    assert outcome.state == "succeeded", outcome.reason
    assert person.outcome(walk).state == "preempted"
    wait_for(lambda: person.sent(STOP_MOVE) and person.sent(SIT))
    ids = [r.header.identity.api_id for r in person.requests]
    assert STOP_MOVE in ids and SIT in ids and MOVE not in ids[ids.index(STOP_MOVE) :]


@pytest.mark.parametrize("text", ["stop", "stop, then turn left", "坐着别动"])
def test_what_was_said_before_a_stop_and_not_decided_yet_is_not_done(
    ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    made = ear()
    busy = made.hold(monkeypatch)
    for earlier in ("go forward two metres", "turn left"):
        made.witness.say(earlier)
    wait_for(lambda: made.node.classifier.waiting == 2)
    made.witness.say(text)
    wait_for(lambda: sum(i.reason == "overtaken by a stop" for i in made.intents) == 2)
    busy.set()
    wait_for(lambda: any(i.text == text for i in made.intents))
    acted = [(i.text, i.label) for i in made.intents if i.decision == msg.Intent.DECISION_SKILL]
    assert acted == [(text, "sit" if text == "坐着别动" else "stop")]


def test_a_plan_asked_for_before_a_stop_is_not_done(ear: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    cloud.may_answer.clear()
    cloud.steps = (Step("dance", NO_SLOTS),)
    made = ear(cloud_address=cloud.address)
    asked = made.say("why is the sky blue")
    wait_for(lambda: cloud.asked)
    story = made.say("stop it, you two, or we're going straight home and no ice cream")
    assert story.decision.decision == "ignore"
    wait_for(lambda: any(i.reason == "overtaken by a stop" for i in made.intents))
    wait_for(lambda: cloud.cancelled)
    cloud.may_answer.set()
    assert not asked.commands and not story.commands
