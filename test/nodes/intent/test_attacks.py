"""The whole robot side over DDS under attack: every utterance of the suite, a cloud that lies, malformed messages."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any

import pytest
from ear import Ear
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from builtin_interfaces.msg import Time
from std_msgs.msg import Header, String
from unitree_api.msg import Request as RequestMsg
from unitree_api.msg import Response
from unitree_go.msg import LowState, SportModeState

from benchmarks.judge import Judge, load_attacks
from benchmarks.liar import Liar, served
from shadow_intent import msg
from shadow_intent.nodes import interfaces
from shadow_intent.robot import Request
from shadow_intent.skills import load_skills

NUMBERS = (math.nan, math.inf, -math.inf, -1.0, 0.0, 1e308, 5e-324)
CONFIDENCES = (math.inf, -math.inf, -1.0, 1.5, 3e38, 1e-30, 0.29)  # NaN and 0 say "unknown": not malformed
TEXTS = ("", "\x00", "\x1b[2J", "\u202e", "x" * 100_000, "🤸", "';--", "yes\x00no", "\n" * 50)
STAMPS = (Time(), Time(sec=-(2**31)), Time(sec=2**31 - 1, nanosec=2**32 - 1))


@pytest.fixture
def liar() -> Iterator[str]:
    with served(Liar()) as address:
        yield address


def sent(person: Any) -> list[Request]:
    """The requests that reached the robot's topics."""
    names = {topic.name.split("/")[2]: service for service, topic in interfaces.REQUESTS.items()}
    assert set(names) == set(interfaces.REQUESTS)
    return [
        Request(r.header.identity.id, service, r.header.identity.api_id, json.loads(r.parameter or "{}"))
        for service, r in person.attacked
    ]


def listen(person: Any) -> None:
    """Keeps the requests with their service."""
    person.attacked = []
    for service, topic in interfaces.REQUESTS.items():
        topic.subscribe(person, lambda request, service=service: person.attacked.append((service, request)))


@pytest.mark.timeout(240)
def test_no_attack_over_dds_is_hazardous_or_out_of_bounds(
    robot: Any, person: Any, skills: Any, ear: Callable[..., Ear], liar: str
) -> None:
    robot()
    listen(person)
    skills(allow_hazardous=True)
    made = ear(cloud_address=liar, max_command_age_s=10.0, ask_unsure_plans=False)  # lies reach skill_node
    for attack in load_attacks():
        if not attack.affirms:
            made.publish(text=attack.text.replace("\x00", " "))  # a ROS string cannot hold a NUL
    assert made.say("sit down please").decision is not None
    wait_for(lambda: any(r.api_id == 1009 for r in sent(person)))
    judge = Judge(load_skills())
    requests = sent(person)
    assert len(requests) > 5
    assert [label for r in requests if (label := judge.hazard(r))] == []
    assert [fault for r in requests if (fault := judge.fault(r))] == []
    assert any("Shall I" in reply for reply in person.replies), "the hazards were asked about"
    assert all(reply.isprintable() for reply in person.replies)


def malformed() -> Iterator[tuple[interfaces.Topic, Any]]:
    """A message of every topic our nodes hear, wrong in every field."""
    for text in TEXTS:
        yield interfaces.VOICE_COMMAND, msg.VoiceCommand(text=text, language=text, session_id=text)
        yield interfaces.VOICE_TEXT, String(data=text)
        yield interfaces.INTENT, msg.Intent(text=text, label=text, decision=text, source=text, utterance_id=text)
        yield interfaces.INTENT, msg.Intent(text="x", label=text, decision="skill", source="edge")
        yield interfaces.SKILL_COMMAND, msg.SkillCommand(utterance_id=text, label=text, source=text, step=2**32 - 1)
        yield interfaces.SKILL_STATUS, msg.SkillStatus(label=text, state=text, parameter=text, api_id=-(2**63))
        yield interfaces.REPLY, msg.Reply(text=text, language=text, final=True)
        yield interfaces.RESPONSES["sport"], Response(data=text)
    for stamp in STAMPS:
        header = Header(stamp=stamp)
        yield interfaces.VOICE_COMMAND, msg.VoiceCommand(header=header, text="jump", asr_confidence=-5.0)
        yield interfaces.INTENT, msg.Intent(header=header, label="back_flip", decision="skill", source="edge")
        yield interfaces.SKILL_COMMAND, msg.SkillCommand(header=header, label="back_flip", source="cloud")
    for first, second in pairwise(NUMBERS):
        slots = msg.Slots(distance_m=first, angle_deg=second, duration_s=first, count=2**32 - 1, speed="warp")
        yield interfaces.INTENT, msg.Intent(label="move_forward", decision="skill", source="edge", slots=slots)
        yield interfaces.SKILL_COMMAND, msg.SkillCommand(label="turn_left", source="edge", slots=slots)
    for confidence in CONFIDENCES:
        yield interfaces.VOICE_COMMAND, msg.VoiceCommand(text="spin", asr_confidence=confidence)
    forged = RequestMsg(parameter="{")
    forged.header.identity.api_id, forged.header.lease.id = 2043, 2**62
    yield interfaces.SPORT_REQUEST, forged


def forged_states() -> Iterator[tuple[interfaces.Topic, Any]]:
    """A hand on the remote controller and a robot that is nowhere: what makes skill_node wait, so it comes last."""
    for _ in range(3):
        yield interfaces.LOW_STATE, LowState(wireless_remote=[255] * 40)
        yield interfaces.SPORT_STATE, SportModeState(mode=255, error_code=2**32 - 1, position=[math.nan] * 3)


def test_malformed_messages_neither_move_the_robot_nor_end_a_node(
    robot: Any, person: Any, skills: Any, ear: Callable[..., Ear]
) -> None:
    robot()
    listen(person)
    skills(allow_hazardous=True)
    made = ear(cloud_address="")
    publishers: dict[str, Any] = {}
    for topic, message in chain(malformed(), forged_states()):
        if topic.name not in publishers:
            publishers[topic.name] = topic.publisher(person)
            wait_for(lambda name=topic.name: publishers[name].get_subscription_count() > 0)
        publishers[topic.name].publish(message)
    for publisher in publishers.values():
        publisher.wait_for_all_acked()

    said_at = [-math.inf]

    def obeyed() -> bool:
        """The forged state and controller are over, and a person, who says it once a second, is obeyed again."""
        if time.monotonic() - said_at[0] > 1.0:
            said_at[0] = time.monotonic()
            made.witness.say("sit down please")
        return any(r.api_id == 1009 for r in sent(person))

    wait_for(obeyed, 30.0)
    judge = Judge(load_skills())
    assert [label for r in sent(person) if (label := judge.hazard(r))] == []
    assert [fault for r in sent(person) if (fault := judge.fault(r))] == []
    assert not person.sent(1008), "nothing moved"
    assert made.say("还有多少电").decision is not None
