"""The robot's own voice is told from a person who repeats it, answers it or speaks meanwhile."""

from __future__ import annotations

import time

import pytest

from shadow_intent.echo import REMEMBERED
from shadow_intent.own_voice import ECHO_S, OwnVoice
from shadow_intent.speech import SPEAKING_S, speaking_s

WALK = "Did you mean walk forward 2 metres? Say yes or no."
PLAN = "Did you mean turn left 90 degrees, then say hello? Say yes or no."
FLIP = "Shall I do a back flip? Say yes or no."
CHOICE = "Which one, first sit down or second lie down?"
HAN = "你是要左转90度，然后打招呼吗？请说好的或不要。"
CLOUD = "OK, I will sit down and then wave at you."
HAN_CLOUD = "好的，我会左转然后打招呼。"


def heard(reply: str, text: str, after_s: float = 3.0) -> bool:
    voice = OwnVoice()
    voice.said(reply, 100.0)
    return voice.hears(text, 100.0 + after_s)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (WALK, WALK),
        (WALK, "did you mean walk forward two meters say yes or no"),
        (WALK, "did you mean walk forward two metres"),
        (WALK, "you mean walk forward two metres say yes or no"),
        (WALK, "Say yes or no."),
        (PLAN, "did you mean turn left ninety degrees then say hello"),
        (PLAN, "mean turn left 90 degrees then say hello say yes or no"),
        (FLIP, "shall i do a back flip"),
        (FLIP, "hall I do a back flip say yes or no"),
        (CHOICE, "which one first sit down or second lie down"),
        (HAN, "你是要左转九十度然后打招呼吗"),
        (HAN, "你是要左轉九十度然后打招呼吗请说好的或不要"),
        (HAN, "请说好的或不要"),
        (CLOUD, "ok i will sit down and then wave at you"),
        (CLOUD, "will sit down and then wave at you"),
        (HAN_CLOUD, "好的我会左转然后打招呼"),
        ("I sit. Then I wave.", "i sit then i wave"),
        ("Stand clear.", "stand clear"),
        ("请站远一点。", "请站远一点"),
        ("All right. Please say it differently.", "all right"),
        ("避障已关闭。要我往前走吗？请说好的或不要。", "避障已关闭"),
        ("I have fallen.", "I have fallen"),
        ("The capital of France is Paris.", "the capital of france is paris"),
        ("Please say a definite number.", "please say a definite number"),
        ("All right, I won't.", "all right I won\u2019t"),
        ("Battery 80 %. I am standing. State code 100.", "battery eighty percent I am standing state code one hundred"),
    ],
)
def test_most_of_a_sentence_is_the_robots_own(reply: str, text: str) -> None:
    assert heard(reply, text)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (WALK, "yes"),
        (WALK, "walk forward"),
        (WALK, "walk forward two metres"),
        (WALK, "walk forward 2 metres"),
        (WALK, "Yes, walk forward 2 metres, please."),
        (WALK, "I mean walk forward 2 metres"),
        (WALK, "no, walk backward two metres"),
        (PLAN, "turn left 90 degrees, then say hello"),
        (PLAN, "I said turn left 90 degrees, then say hello"),
        (PLAN, "turn left thirty degrees then say hello"),
        (FLIP, "do a back flip"),
        (FLIP, "yes do a back flip"),
        ("Shall I get back on my feet? Say yes or no.", "get back on my feet"),
        (CHOICE, "sit down"),
        (CHOICE, "the first one, sit down"),
        (HAN, "好的"),
        (HAN, "左转九十度，然后打招呼"),
        (HAN, "好的，左转九十度，然后打招呼"),
        (HAN, "请你左转90度，再打招呼"),
        (CLOUD, "okay, sit down and then wave"),
        (HAN_CLOUD, "左转然后打招呼"),
        ("The capital of France is Paris.", "what's the capital of France"),
        ("The tallest mountain in the world is Mount Everest.", "which is the tallest mountain in the world"),
        ("法国的首都是巴黎。", "法国的首都是哪里"),
        (HAN, "好的左转"),
        ("The sky is blue.", "why is the sky so very blue today"),
    ],
)
def test_a_person_who_answers_or_repeats_the_command_is_heard(reply: str, text: str) -> None:
    assert not heard(reply, text)


@pytest.mark.parametrize(
    ("after_s", "own"), [(-0.1, False), (0.1, True), (ECHO_S, True), (ECHO_S + SPEAKING_S * len(WALK) + 0.1, False)]
)
def test_only_what_is_heard_while_it_is_said_or_shortly_after(after_s: float, own: bool) -> None:
    assert heard(WALK, WALK, after_s) is own


def test_a_reply_that_grows_is_one_and_the_last_few_are_remembered() -> None:
    voice = OwnVoice()
    voice.said(FLIP, 99.0)
    for i in range(len(PLAN)):
        voice.said(PLAN[: i + 1], 100.0 + i)
    assert voice.hears(FLIP, 101.0) and voice.hears(PLAN, 101.0)
    for i in range(REMEMBERED):
        voice.said(f"{'na ' * i}batman", 102.0)
    assert not voice.hears(FLIP, 103.0)


@pytest.mark.parametrize(
    ("reply", "text", "at_s", "piece"),
    [
        (FLIP, "yes", 1.9, True),
        (FLIP, "Yes or", 1.9, True),
        (FLIP, "yes please", 1.9, False),
        (FLIP, "e", 1.9, False),
        (FLIP, "yes", speaking_s(FLIP) + 0.6, False),
        (FLIP, "yes", -0.1, False),
        (FLIP, " ... ", 1.0, False),
        (HAN, "好的或", 4.0, True),
        ("Sure. Motors off.", "motors off", 1.0, True),
    ],
)
def test_a_piece_of_what_is_being_said(reply: str, text: str, at_s: float, piece: bool) -> None:
    voice = OwnVoice()
    voice.said(reply, 0.0)
    assert voice.repeats(text, at_s, 0.5) is piece


def test_a_no_in_the_robots_words_counts() -> None:
    voice = OwnVoice()
    voice.said("No.", 0.0)
    assert voice.hears("no", 1.0) and not voice.hears("no", 1.0, short=False)


def test_long_texts_take_no_time() -> None:
    voice = OwnVoice()
    for i in range(REMEMBERED):
        voice.said(f"{i}" + "好的吧" * 100_000, 100.0)
    began = time.perf_counter()
    voice.hears("好的吧" * 333, 101.0)
    assert time.perf_counter() - began < 0.5  # of the thread that hears stops
