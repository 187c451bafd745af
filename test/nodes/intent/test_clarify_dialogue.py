""" "Did you mean ...?" over real DDS: intent_node with a policy that trusts nothing, and no cloud."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from ear import Ear, ScriptedCloud
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from shadow_intent import msg
from shadow_intent.cloud.client import UNAVAILABLE
from shadow_intent.nodes import conversation, interfaces
from shadow_intent.nodes.witness import Story
from shadow_intent.route import Policy

DOUBTFUL = Policy(accept=0.999999, accept_stop=0.999999, margin=0.0)
"""Nobody is this sure: every skill becomes a question."""
TURN = "turn left ninety degrees"


@pytest.fixture
def doubtful(ear: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ear]:
    """`doubtful(**parameters)`: an ear whose node is unsure of its first utterance and as sure as ever afterwards."""

    def make(**parameters: object) -> Ear:
        made = ear(**{"cloud_address": "", **parameters})
        pipeline = made.node.classifier.pipeline
        hear, sure = pipeline.hear, pipeline.policy

        def unsure_once(utterance: object) -> object:
            pipeline.policy = DOUBTFUL
            decision = hear(utterance)  # type: ignore[arg-type]
            pipeline.policy = sure
            monkeypatch.setattr(pipeline, "hear", hear)
            return replace(decision, alternatives=(decision.label, "turn_right"))

        monkeypatch.setattr(pipeline, "hear", unsure_once)
        return made

    return make


def asked(made: Ear, text: str = TURN) -> Story:
    """The story of an utterance that ends in a question."""
    story = made.say(text)
    wait_for(lambda: story.closing and story.said)
    return story


def test_without_a_cloud_the_speaker_is_asked_which_of_the_top_two_was_meant(doubtful: Callable[..., Ear]) -> None:
    story = asked(doubtful())
    assert story.said == ["Did you mean turn left or turn right?"]
    assert story.decision is not None and story.decision.reason.startswith("unsure: p(turn_left) = ")
    assert story.closing is not None and story.closing.decision == "ignore"
    assert story.closing.reason.startswith("CloudUnavailable: ")
    assert story.closing.reason.endswith("; asked the speaker: turn_left / turn_right?")


@pytest.mark.parametrize("text", ["turn left", "the first one", "yes, turn left ninety degrees"])
def test_the_answer_runs_the_skill_with_the_quantities_of_the_first_utterance(
    doubtful: Callable[..., Ear], text: str
) -> None:
    made = doubtful()
    first = asked(made)
    (intent,) = made.say(text).intents
    assert (intent.decision, intent.label, intent.slots.angle_deg) == ("skill", "turn_left", 90.0)
    assert intent.reason == "the speaker chose turn_left of turn_left / turn_right"
    assert first.decision is not None and intent.utterance_id != first.decision.utterance_id
    (meant,) = (i for i in made.intents if i.source == msg.Intent.SOURCE_SPEAKER)
    assert (meant.utterance_id, meant.label) == (first.decision.utterance_id, "turn_left")
    assert meant.decision == "ignore" and meant.text == TURN
    wait_for(lambda: [e.fields["source"] for e in made.events() if e.topic == "intent"].count("speaker") == 1)


def test_a_yes_to_two_is_asked_about_again(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    asked(made)
    story = made.answer("yes")
    wait_for(lambda: story.said)
    assert story.said == ["Which one, first turn left or second turn right?"]
    assert [i.decision for i in story.intents] == ["ignore"]
    assert made.say("第二个").intents[0].label == "turn_right"


def test_a_yes_that_follows_an_answer_at_once_is_none(
    doubtful: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "AGAIN_S", 30.0)  # on a busy machine, too
    made = doubtful()
    asked(made)
    assert made.say("the first one").intents[0].decision == "skill"
    assert made.say("yes").intents[0].decision == "ignore"  # skill_node may have asked something meanwhile


def test_a_no_ends_it(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    asked(made)
    story = made.say("no")
    wait_for(lambda: story.said)
    assert story.said == ["All right. Please say it differently."]
    assert story.intents[0].decision == "ignore"
    assert made.say("yes").intents[0].label == "affirm"


@pytest.mark.parametrize("newer", ["stop", "sit down"])
def test_a_newer_command_takes_the_questions_place(doubtful: Callable[..., Ear], newer: str) -> None:
    made = doubtful()
    asked(made)
    assert made.say(newer).intents[0].decision == "skill"
    (intent,) = made.say("yes").intents
    assert (intent.label, intent.decision) == ("affirm", "skill")


def test_an_answer_that_comes_too_late_is_none(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    made.set(clarify_window_s=0.1)
    asked(made)
    time.sleep(0.2)
    assert made.say("yes").intents[0].label == "affirm"


def test_only_the_one_who_was_asked_can_answer(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    asked(made)
    intent = made.publish(text="yes", session_id="somebody else")
    assert (intent.label, intent.decision) == ("affirm", "skill")


def test_the_robots_own_question_is_no_answer_and_stays_open(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    asked(made)
    for text in ("did you mean turn left or turn right", "mean turn left or turn right"):
        (own,) = made.say(text).intents
        assert (own.decision, own.reason) == ("ignore", "the robot's own words")
    assert made.say("turn left").intents[0].reason.startswith("the speaker chose turn_left")


def test_what_another_node_says_aloud_is_the_robots_own_but_a_stop_stops(ear: Callable[..., Ear]) -> None:
    made = ear(cloud_address="")
    replies = interfaces.REPLY.publisher(made.witness)
    wait_for(replies.get_subscription_count)
    for text in ("Shall I do a back flip? Say yes or no.", "Do not go any further.", "Stop right there!"):
        replies.publish(msg.Reply(text=text, language="en", final=True))
        time.sleep(0.2)
    assert made.say("shall i do a back flip").intents[0].reason == "the robot's own words"
    assert made.say("do a back flip").intents[0].label == "back_flip"
    for text in ("do not go any further", "stop right there"):
        assert (made.say(text).intents[0].label, made.intents[-1].decision) == ("stop", "skill")


def test_a_cloud_that_answers_is_not_followed_by_a_question(doubtful: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    story = asked(doubtful(cloud_address=cloud.address))
    assert story.said == ["Fine."]


def test_there_is_no_question_about_an_open_request(ear: Callable[..., Ear]) -> None:
    assert asked(ear(cloud_address=""), "why is the sky blue").said == [UNAVAILABLE["en"]]


def test_a_range_is_refused_aloud(ear: Callable[..., Ear]) -> None:
    story = ear().say("往前走两到三米")
    wait_for(lambda: story.said)
    assert story.said == ["2到3米是一个范围，请说一个数。"] and story.replies[0].language == "zh"
    (intent,) = story.intents
    assert (intent.decision, intent.label) == ("ignore", "move_forward")
    assert intent.reason == "refused: 2 to 3米 is a range. Please say one number."
