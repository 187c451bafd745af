"""Open requests: intent_node and the real cloud server, with answers the test writes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificates import Identity, self_signed
from ear import Ear, ScriptedCloud
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")


from std_msgs.msg import Header

from shadow_intent.bundle import Bundle
from shadow_intent.cloud.client import UNAVAILABLE
from shadow_intent.cloud.plan import Step
from shadow_intent.cloud.server import create_server
from shadow_intent.cloud.tls import server_credentials
from shadow_intent.intent import NO_SLOTS, Slots
from shadow_intent.nodes.conversation import AGAIN_S, UNUSABLE
from shadow_intent.nodes.convert import stamp_from_ns


def test_an_answer_is_streamed_and_its_plan_sent(ear: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    cloud.chunks = ["I sit.", "I sit. Then I wave."]
    cloud.steps = (Step("sit", NO_SLOTS), Step("move_forward", Slots(distance_m=2.0)))
    made = ear(cloud_address=cloud.address)
    story = made.say("sit down and then go forward two metres")
    wait_for(lambda: story.closing and len(story.commands) == 2 and story.said)
    assert [(r.text, r.final) for r in story.replies] == [
        ("I sit.", False),
        ("I sit. Then I wave.", False),
        ("I sit. Then I wave.", True),
    ]
    assert [(c.label, c.step, c.source) for c in story.commands] == [("sit", 0, "cloud"), ("move_forward", 1, "cloud")]
    assert story.commands[1].slots.distance_m == 2.0
    decision, closing = story.intents
    assert (decision.decision, decision.source) == ("remote", "edge")
    assert (closing.decision, closing.source) == ("remote", "cloud")
    assert closing.reason == f"answered by {cloud.bundle.bundle_id}, plan: sit, move_forward"
    assert {m.utterance_id for m in (*story.replies, *story.commands, *story.intents)} == {decision.utterance_id}
    assert cloud.asked == ["sit down and then go forward two metres"]


@pytest.mark.parametrize(("text", "language"), [("why is the sky blue", "en"), ("天空为什么是蓝色的", "zh")])
def test_without_a_cloud_the_speaker_is_told_in_their_language(
    ear: Callable[..., Ear], text: str, language: str
) -> None:
    story = ear().say(text)
    wait_for(lambda: story.closing and story.said)
    assert story.said == [UNAVAILABLE[language]] and story.replies[0].language == language
    assert story.closing is not None and story.closing.decision == "ignore"
    assert story.closing.reason.startswith("CloudUnavailable: ")
    assert not story.commands


@pytest.mark.parametrize(("address", "reason"), [("", "no cloud_address is set"), ("no such:place", "unavailable: ")])
def test_no_address_is_no_cloud(ear: Callable[..., Ear], address: str, reason: str) -> None:
    story = ear(cloud_address=address).say("why is the sky blue")
    wait_for(lambda: story.closing)
    assert story.closing is not None
    assert story.closing.reason.startswith(f"CloudUnavailable: {reason}")


def test_a_silent_cloud_is_given_up_at_the_deadline_and_may_not_act_later(
    ear: Callable[..., Ear], cloud: ScriptedCloud
) -> None:
    cloud.may_answer.clear()
    cloud.steps = (Step("sit", NO_SLOTS),)
    made = ear(cloud_address=cloud.address)
    made.set(cloud_deadline_s=0.3)
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    assert story.closing is not None and story.closing.reason.startswith("CloudUnavailable: ")
    assert 300 <= story.closing.latency_ms < 3000
    cloud.may_answer.set()
    time.sleep(0.3)
    assert not story.commands and len(story.replies) == 1


def test_a_cloud_that_comes_back_answers_at_once(ear: Callable[..., Ear], bundle_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    made = ear(cloud_address=address)
    for text in ("why is the sky blue", "why is the sky green", "why is the sky red"):
        story = made.say(text)
        wait_for(lambda story=story: story.closing)
        assert story.said == [UNAVAILABLE["en"]]
    server, _ = create_server(address, ScriptedCloud(Bundle.load(bundle_folder)))
    server.start()
    try:
        story = made.say("why is the sky grey")
        wait_for(lambda: story.closing)
        assert story.closing is not None and story.closing.reason.startswith("answered by")
    finally:
        server.stop(0).wait()


@pytest.mark.parametrize("newer", ["stop", "sit down"])
def test_an_overtaken_answer_moves_nothing(ear: Callable[..., Ear], cloud: ScriptedCloud, newer: str) -> None:
    cloud.may_answer.clear()
    cloud.steps = (Step("dance", NO_SLOTS),)
    made = ear(cloud_address=cloud.address)
    made.witness.say("why is the sky blue")
    wait_for(lambda: cloud.asked)
    story = made.witness.say(newer)
    wait_for(lambda: len(made.intents) == 3)
    asked, command, closing = made.intents
    assert (command.decision, closing.source, closing.decision) == ("skill", "cloud", "ignore")
    assert closing.utterance_id == asked.utterance_id
    assert closing.reason == f"overtaken by {command.label}"
    wait_for(lambda: cloud.cancelled)
    cloud.may_answer.set()
    time.sleep(0.3)
    assert not story.commands and not story.replies


def test_talk_between_people_does_not_end_a_conversation(ear: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    cloud.may_answer.clear()
    made = ear(cloud_address=cloud.address)
    made.say("why is the sky blue")
    wait_for(lambda: cloud.asked)
    talk = made.say("he told me to sit")
    cloud.may_answer.set()
    wait_for(lambda: talk.said)
    assert talk.said == ["Fine."]


@pytest.mark.parametrize("label", ["moonwalk", "affirm", "remote"])
def test_a_plan_outside_the_registry_is_not_sent(ear: Callable[..., Ear], cloud: ScriptedCloud, label: str) -> None:
    cloud.steps = (Step("sit", NO_SLOTS), Step(label, NO_SLOTS))
    story = ear(cloud_address=cloud.address).say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    assert not story.commands
    assert story.closing is not None and story.closing.reason.startswith("PlanError: ")


def test_a_plan_beyond_a_bound_is_not_sent(ear: Callable[..., Ear], cloud: ScriptedCloud) -> None:
    cloud.steps = (Step("move_forward", Slots(distance_m=500.0)),)
    story = ear(cloud_address=cloud.address).say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    assert not story.commands and story.said == [UNUSABLE["en"]]
    assert story.closing is not None and "outside [0.05, 5]" in story.closing.reason


TURN_AND_WAVE = (Step("turn_left", Slots(angle_deg=90.0, speed="slow")), Step("hello", NO_SLOTS))


@pytest.fixture
def doubtful(ear: Callable[..., Ear], cloud: ScriptedCloud) -> Callable[..., Ear]:
    """`doubtful(**parameters)`: an ear whose cloud plans what nobody said."""
    cloud.steps = TURN_AND_WAVE
    return lambda **parameters: ear(cloud_address=cloud.address, **parameters)


@pytest.mark.parametrize(
    ("text", "plan", "yes"),
    [
        ("why is the sky blue", "turn left 90 degrees slowly, then say hello", "yes please"),
        ("天空为什么是蓝色的", "左转90度慢慢地，然后打招呼", "是的没错"),
    ],
)
def test_a_plan_that_the_words_do_not_say_is_done_after_a_yes(
    doubtful: Callable[..., Ear], text: str, plan: str, yes: str
) -> None:
    made = doubtful()
    story = made.say(text)
    wait_for(lambda: story.closing and story.said)
    asked = {"en": f"Did you mean {plan}? Say yes or no.", "zh": f"你是要{plan}吗？请说好的或不要。"}
    assert story.said == [asked[story.replies[-1].language]] and not story.commands
    assert story.closing is not None and story.closing.reason.endswith("turn_left, hello; asked the speaker first")
    answer = made.answer(yes)
    wait_for(lambda: len(answer.commands) == 2)
    assert [(c.label, c.source) for c in answer.commands] == [("turn_left", "cloud"), ("hello", "cloud")]
    assert answer.commands[0].slots.angle_deg == 90.0
    about = story.closing.utterance_id
    assert {c.utterance_id for c in answer.commands} == {about}
    assert answer.decision is not None and answer.decision.decision == "ignore"
    assert answer.decision.reason == f"yes to the plan of {about}"
    wait_for(lambda: answer.said == ["Fine."])  # what the cloud had to say to it


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        ("no", "no to the plan of ", ["All right, I won't."]),
        ("don't do that", "no to the plan of ", ["All right, I won't."]),
        ("sit down", "p = ", []),
        ("stop", "matched stop phrase", []),
    ],
)
def test_anything_but_a_yes_moves_nothing(
    doubtful: Callable[..., Ear], answer: str, reason: str, said: list[str]
) -> None:
    made = doubtful()
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing)
    heard = made.say(answer)
    assert heard.decision is not None and heard.decision.reason.startswith(reason)
    if said:
        wait_for(lambda: heard.said == said)
    late = made.say("yes")
    time.sleep(0.2)
    assert not (story.commands or heard.commands or late.commands)


def test_the_robot_does_not_take_the_clouds_word_for_what_was_said(
    ear: Callable[..., Ear], cloud: ScriptedCloud
) -> None:
    cloud.steps = (Step("dance", NO_SLOTS), Step("hello", NO_SLOTS))
    story = ear(cloud_address=cloud.address).say("sit down and then wave")
    wait_for(lambda: story.closing and story.said)
    assert story.said == ["Did you mean dance, then say hello? Say yes or no."] and not story.commands


def test_a_yes_said_before_the_question_or_twice_or_by_another_is_no_yes(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing)
    assert story.closing is not None
    mine = story.closing.session_id
    before = Header(stamp=stamp_from_ns(time.time_ns() - 1_500_000_000))
    early = made.publish(text="yes", session_id=mine, header=before)
    unclear = made.publish(text="yes", session_id=mine, asr_confidence=0.02)
    piece = made.publish(text="yes or", session_id=mine)  # of "Say yes or no."
    assert [i.decision for i in (early, unclear, piece)] == ["ignore"] * 3
    assert piece.reason == "the robot's own words" and not story.commands
    agreed = made.answer("yes please")
    wait_for(lambda: len(agreed.commands) == 2)
    again = made.publish(text="yes please", session_id=mine)  # must not answer what skill_node asks about the plan
    assert (again.label, again.decision) == ("affirm", "ignore")

    time.sleep(AGAIN_S)
    story = made.say("why is the sky green")
    wait_for(lambda: story.closing)
    made.publish(text="yes", session_id="somebody else")
    time.sleep(0.2)
    assert not story.commands


def test_a_yes_that_is_unclear_answers_nothing_else_either(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing)
    unclear = made.answer("没毛病").decision
    assert unclear is not None
    assert (unclear.label, unclear.decision, unclear.reason) == ("affirm", "ignore", "no clear yes or no to the plan")
    agreed = made.say("yes please")
    wait_for(lambda: len(agreed.commands) == 2)


def test_talk_leaves_a_plan_open_and_time_closes_it(doubtful: Callable[..., Ear]) -> None:
    made = doubtful()
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing)
    made.say("he told me to sit")
    agreed = made.answer("yes please")
    wait_for(lambda: len(agreed.commands) == 2)

    again = made.say("why is the sky green")
    wait_for(lambda: again.closing)
    made.set(clarify_window_s=0.1)
    time.sleep(0.2)
    late = made.say("yes")
    time.sleep(0.2)
    assert not again.commands and not late.commands


def test_without_a_cloud_commands_in_one_breath_are_asked_about(ear: Callable[..., Ear]) -> None:
    made = ear(cloud_address="")
    story = made.say("sit down and then wave")
    wait_for(lambda: story.closing and story.said)
    assert story.said == ["Did you mean sit down, then say hello? Say yes or no."] and not story.commands
    assert story.closing is not None and story.closing.reason.endswith("asked the speaker: sit, hello?")
    own = made.say("did you mean sit down then say hello say yes or no").intents[0]
    assert (own.decision, own.reason) == ("ignore", "the robot's own words")
    agreed = made.answer("yes please")
    wait_for(lambda: len(agreed.commands) == 2)
    assert [(c.label, c.source) for c in agreed.commands] == [("sit", "edge"), ("hello", "edge")]


def test_the_operator_may_trust_the_cloud(doubtful: Callable[..., Ear]) -> None:
    story = doubtful(ask_unsure_plans=False).say("why is the sky blue")
    wait_for(lambda: len(story.commands) == 2)
    assert story.said == ["Fine."]


@pytest.fixture
def identities(tmp_path: Path) -> tuple[Identity, Identity]:
    """Of the server and of the robot."""
    return self_signed(tmp_path, "server"), self_signed(tmp_path, "robot")


@pytest.fixture
def guarded_cloud(identities: tuple[Identity, Identity], bundle_folder: Path) -> Iterator[str]:
    """Address of a server that answers this robot alone, over TLS."""
    server, robot = identities
    credentials = server_credentials(server.certificate, server.key, robot.certificate)
    made, port = create_server("127.0.0.1:0", ScriptedCloud(Bundle.load(bundle_folder)), credentials)
    made.start()
    yield f"127.0.0.1:{port}"
    made.stop(0).wait()


def test_the_link_is_encrypted_when_the_parameters_say_so(
    ear: Callable[..., Ear], guarded_cloud: str, identities: tuple[Identity, Identity]
) -> None:
    server, robot = identities
    files = {"cloud_certificate_file": robot.certificate, "cloud_key_file": robot.key}
    made = ear(cloud_address=guarded_cloud, cloud_ca_file=server.certificate, **files)
    story = made.say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    assert story.said == ["Fine."]


def test_a_robot_without_the_certificate_is_not_answered(
    ear: Callable[..., Ear], guarded_cloud: str, identities: tuple[Identity, Identity]
) -> None:
    story = ear(cloud_address=guarded_cloud, cloud_ca_file=identities[0].certificate).say("why is the sky blue")
    wait_for(lambda: story.closing and story.said)
    assert story.said == [UNAVAILABLE["en"]]
