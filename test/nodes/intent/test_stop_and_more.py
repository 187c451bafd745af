"""A stop with something else in the same breath or under way, over DDS through every node: the stop wins, each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ear import Ear, ScriptedCloud
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from person import parameters
from std_msgs.msg import Header
from unitree_api.msg import Request

from shadow_intent import msg
from shadow_intent.cloud.plan import Step
from shadow_intent.intent import NO_SLOTS, Route, Slots, Utterance
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import NANOSECONDS, stamp_from_ns
from shadow_intent.nodes.last_stop import LastStop
from shadow_intent.nodes.stop_node import StopNode

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


@pytest.fixture
def stoppable(ros: Any, ear: Callable[..., Ear]) -> Callable[..., Ear]:
    """`stoppable(**parameters)`: an ear whose node has heard of a stop_node."""

    def start(**values: Any) -> Ear:
        ros(StopNode, **parameters(robot="mock"))
        made = ear(**values)
        wait_for(lambda: made.node._last_stop._epochs.epoch)
        return made

    return start


def send(made: Ear, topic: interfaces.Topic, message: object) -> None:
    """To stop_node, whoever else hears it."""
    publisher = topic.publisher(made.witness)
    wait_for(lambda: publisher.get_subscription_count() == made.witness.count_subscribers(topic.name))
    publisher.publish(message)


def command(made: Ear, ros: Any, utterance_id: str = "") -> None:
    send(made, interfaces.SKILL_COMMAND, msg.SkillCommand(label="stop", source="edge", utterance_id=utterance_id))


def intent(made: Ear, ros: Any) -> None:
    fields = {"label": "damp", "decision": "skill", "source": "edge", "utterance_id": "somebody else's"}
    send(made, interfaces.INTENT, msg.Intent(**fields))


def lease(made: Ear, ros: Any) -> None:
    """A Move that no other follows."""
    move = Request(parameter='{"x": 0.1, "y": 0.0, "z": 0.0}')
    move.header.identity.api_id, move.header.lease.id = MOVE, made.node._last_stop._epochs.epoch
    send(made, interfaces.SPORT_REQUEST, move)


def restart(made: Ear, ros: Any) -> None:
    ros(StopNode, **parameters(robot="mock"))


@pytest.mark.parametrize("how", [command, intent, lease, restart])
def test_a_stop_of_any_origin_ends_what_the_cloud_is_asked(
    stoppable: Callable[..., Ear], cloud: ScriptedCloud, ros: Any, how: Callable[[Ear, Any], None]
) -> None:
    cloud.may_answer.clear()
    cloud.steps = (Step("dance", NO_SLOTS),)
    made = stoppable(cloud_address=cloud.address, ask_unsure_plans=False)
    asked = made.say("why is the sky blue")
    wait_for(lambda: cloud.asked)
    how(made, ros)
    wait_for(lambda: asked.closing)
    assert asked.closing is not None and asked.closing.reason == "overtaken by a stop"
    wait_for(lambda: cloud.cancelled)
    cloud.may_answer.set()
    time.sleep(0.2)
    assert "dance" not in [c.label for c in asked.commands]


def test_a_stop_of_another_node_withdraws_a_plan_asked_about(
    stoppable: Callable[..., Ear], cloud: ScriptedCloud, ros: Any
) -> None:
    cloud.steps = (Step("dance", NO_SLOTS),)
    made = stoppable(cloud_address=cloud.address)
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    command(made, ros, "somebody else's")
    wait_for(lambda: made.node._last_stop._at_ns)
    agreed = made.answer("yes please")
    assert (agreed.decision.label, agreed.decision.decision) == ("affirm", "skill")
    assert not agreed.commands


def test_a_stop_of_another_node_ends_what_waits_for_the_classifier_and_what_comes_late(
    stoppable: Callable[..., Ear], ros: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stoppable()
    busy = made.hold(monkeypatch)
    made.witness.say("坐着别动")
    assert made.held.wait(10)
    wait_for(lambda: made.node._last_stop._from_words)  # its own stop, which it outlives
    made.witness.say("go forward two metres")
    wait_for(lambda: made.node.classifier.waiting == 2)
    assert not made.intents
    command(made, ros, "somebody else's")
    wait_for(lambda: sum(i.reason == "overtaken by a stop" for i in made.intents) == 2)
    busy.set()
    before = Header(stamp=stamp_from_ns(time.time_ns() - 2 * NANOSECONDS))
    late = made.publish(header=before, text="turn left")
    assert (late.decision, late.reason) == ("ignore", "said before a stop")
    assert made.say("turn left").decision.label == "turn_left"
    assert made.publish(header=before, text="stop").decision == "skill"


@pytest.mark.parametrize("likely", [("stop", "jump"), ("jump", "stop")])
def test_what_may_be_a_stop_stops_the_robot_and_is_asked_about_then(
    everybody: Callable[..., Ear],
    person: Any,
    cloud: ScriptedCloud,
    monkeypatch: pytest.MonkeyPatch,
    likely: tuple[str, str],
) -> None:
    made = everybody(cloud_address=cloud.address)
    wait_for(lambda: made.node._last_stop._epochs.epoch)
    unsure(made, likely, monkeypatch)
    walk = person.say("move_forward", Slots(distance_m=5.0))
    wait_for(lambda: len(person.sent(MOVE)) > 2)
    cloud.may_answer.clear()
    story = made.say("whatever it may be")
    assert (story.decision.decision, story.decision.label) == ("remote", likely[0])
    assert person.outcome(walk).state == "preempted"
    stopped = person.outcome(story.decision.utterance_id)
    assert (stopped.label, stopped.state) == ("stop", "succeeded")
    ids = [r.header.identity.api_id for r in person.requests]
    assert MOVE not in ids[ids.index(STOP_MOVE) :]
    time.sleep(0.2)  # stop_node has told intent_node of its own stop
    cloud.may_answer.set()
    wait_for(lambda: story.said)
    assert story.said == ["Fine."]


def test_what_is_no_stop_is_asked_about_without_one(
    ear: Callable[..., Ear], cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ear(cloud_address=cloud.address)
    unsure(made, ("jump", "pounce"), monkeypatch)
    story = made.say("whatever it may be")
    wait_for(lambda: story.said)
    assert not story.commands


def unsure(made: Ear, likely: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the classifier takes everything for one of these."""
    hear = made.node.classifier.pipeline.hear
    doubt = {"route": Route.REMOTE, "label": likely[0], "alternatives": likely}
    monkeypatch.setattr(made.node.classifier.pipeline, "hear", lambda utterance: replace(hear(utterance), **doubt))


T = 1_000 * NANOSECONDS
OLD, NEW = Utterance("turn left", "old", stamp_ns=T - 9), Utterance("turn left", "new", stamp_ns=T + 9)
BOTH = Utterance("坐着别动", "both", stamp_ns=T - 5)


def told(epoch: int, cause: str, utterance_id: str = "", at_ns: int = T) -> msg.StopState:
    stamp = Header(stamp=stamp_from_ns(at_ns))
    return msg.StopState(header=stamp, epoch=epoch, cause=cause, utterance_id=utterance_id)


@pytest.mark.parametrize(
    ("state", "follows"),
    [
        (told(2, "stop"), [OLD]),  # heard as words: those that hold one are not older than themselves
        (told(2, "stop", "theirs"), [OLD, BOTH]),
        (told(2, "lease"), [OLD, BOTH]),
        (told(2, "start"), [OLD, BOTH]),
        (told(1, "stop", "theirs"), []),  # a repeated state
        (told(2, "stop", "mine"), []),
        (told(2, "stop", "theirs", at_ns=0), [OLD, BOTH, NEW]),  # by a clock of its own: it stopped just now
    ],
    ids=lambda value: f"{value.epoch} {value.cause} {value.utterance_id}" if hasattr(value, "epoch") else None,
)
def test_a_stop_follows_what_was_said_before_it(state: msg.StopState, follows: list[Utterance]) -> None:
    last = LastStop()
    assert not last.told(told(1, "start"), T)
    last.own(Utterance("stop", "mine", stamp_ns=T - 100), T)
    assert last.told(state, T + 50) == bool(follows)
    assert [u for u in (OLD, BOTH, NEW) if last.follows(u, T + 60)] == follows
    assert not any(last.follows(u, T - 50) for u in (OLD, BOTH, NEW))  # a simulated clock was set back


def test_what_is_said_after_a_stop_of_ones_own_is_not_what_it_follows() -> None:
    last = LastStop()
    last.own(Utterance("stop", "mine", stamp_ns=T), T + 20)
    assert [u.utterance_id for u in (OLD, NEW) if last.follows(u, T + 20)] == ["old"]
    last.own(Utterance("stop", "ahead", stamp_ns=2 * T), T + 20)  # no clock is far ahead
    assert not last.follows(Utterance("sit", stamp_ns=T + 20), T + 30)
