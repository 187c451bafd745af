"""Text to decision with the real classifier."""

from __future__ import annotations

import random
import re
import resource
from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow_intent import memory
from shadow_intent.bundle import Bundle
from shadow_intent.classifier import tokenizer_of
from shadow_intent.intent import MAX_UTTERANCE_CHARS, NO_SLOTS, Route, Source, Utterance
from shadow_intent.pipeline import Pipeline, hear_stop
from shadow_intent.route import LIKELY


@pytest.fixture(scope="module")
def pipeline(bundle_folder: Path) -> Pipeline:
    return Pipeline.from_bundle(Bundle.load(bundle_folder))


@pytest.mark.parametrize(
    ("text", "label", "slots"),
    [
        ("sit down please", "sit", {}),
        ("go forward two metres", "move_forward", {"distance_m": 2.0}),
        ("turn left ninety degrees", "turn_left", {"angle_deg": 90.0}),
        ("do a back flip", "back_flip", {}),
        ("yes, do it", "affirm", {}),
        ("坐下", "sit", {}),
        ("向左转九十度", "turn_left", {"angle_deg": 90.0}),
        ("往前走两米", "move_forward", {"distance_m": 2.0}),
    ],
)
def test_a_routine_command_runs_its_skill(pipeline: Pipeline, text: str, label: str, slots: dict[str, float]) -> None:
    decision = pipeline.hear(Utterance(text))
    assert (decision.route, decision.label, decision.source) == (Route.SKILL, label, Source.EDGE)
    assert decision.slots.as_dict() == slots
    assert decision.probability >= pipeline.policy.accept


@pytest.mark.parametrize("text", ["why is the sky blue", "sit down and then wave", "天空为什么是蓝色的"])
def test_an_open_request_goes_to_the_cloud(pipeline: Pipeline, text: str) -> None:
    assert pipeline.hear(Utterance(text)).route is Route.REMOTE


AMBIGUOUS = (
    "move sideways",
    "turn ninety degrees",
    "do a flip",
    "volume",
    "往旁边挪一步",
    "拐个弯",
    "翻个跟头",
    "音量",
)
"""None says which of two skills is meant."""
UNSURE = re.compile(
    r"unsure: p\((\w+)\) = 0\.\d{2,6} < 0\.\d{2,6}, next (\w+)|top two too close: (\w+) 0\.\d\d / (\w+) 0\.\d\d"
)


def test_an_ambiguous_utterance_is_asked_of_the_cloud_with_what_it_may_mean(pipeline: Pipeline) -> None:
    for text in AMBIGUOUS:
        decision = pipeline.hear(Utterance(text))
        assert decision.route is Route.REMOTE and decision.label != "remote", decision
        said = UNSURE.fullmatch(decision.reason)
        assert said is not None, decision
        assert decision.probability < pipeline.policy.accept and decision.source is Source.EDGE
        p = dict(
            zip(
                pipeline.classifier.bundle.labels,
                pipeline.classifier.probabilities(decision.utterance.text),
                strict=True,
            )
        )
        first, second = sorted(p, key=p.__getitem__)[:-3:-1]
        assert [name for name in said.groups() if name] == [first, second], decision
        assert decision.alternatives == ((first, second) if p[second] >= LIKELY else (first,)), decision


def test_the_first_utterance_finds_everything_warm(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    hear = Pipeline.hear
    monkeypatch.setattr(Pipeline, "hear", lambda self, said: heard.append(said.text) or hear(self, said))
    Pipeline.from_bundle(Bundle.load(bundle_folder))
    assert {any(c > "\u3400" for c in text) for text in heard} == {True, False}  # both languages, numbers included
    assert any("two" in text for text in heard)


def test_stop_is_decided_without_the_model(pipeline: Pipeline) -> None:
    for text, label in (("stop", "stop"), ("停下", "stop"), ("emergency stop", "damp")):
        utterance = Utterance(text, asr_confidence=0.01)
        decision = pipeline.hear(utterance)
        assert (decision.route, decision.label, decision.source) == (Route.SKILL, label, Source.STOP)
        _, early = hear_stop(utterance)
        assert early is not None and early.label == label
    assert hear_stop(Utterance("sit down")) == (None, None)


def test_a_stop_says_which_words_it_heard() -> None:
    for text, reason in (
        ("Hey robot, hold it right there please!", "matched stop phrase: hold it right there"),
        ("快停下来！", "matched stop phrase: 停下来"),
        ("stop! kill the motors!", "matched damp phrase: kill the motors"),
    ):
        _, decision = hear_stop(Utterance(text))
        assert decision is not None and decision.reason == reason


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("stop, then turn left", "I stopped. Please say again what to do next."),
        ("stop! go forward two metres", "I stopped. Please say again what to do next."),
        ("停，左转", "我停下了，接下来要做什么请再说一遍。"),
        ("停下来然后坐下", "我停下了，接下来要做什么请再说一遍。"),
    ],
)
def test_a_stop_said_first_is_all_that_is_done(pipeline: Pipeline, text: str, reply: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert (decision.route, decision.label, decision.source) == (Route.SKILL, "stop", Source.STOP)
    assert decision.slots == NO_SLOTS and decision.reply == reply
    assert decision.reason.endswith("; what follows it is not done")


@pytest.mark.parametrize(("text", "label"), [("坐着别动", "sit"), ("别往前走了，掉头", "turn_around")])
def test_a_stop_within_a_command_leaves_it_one(pipeline: Pipeline, text: str, label: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert (decision.route, decision.label, decision.source) == (Route.SKILL, label, Source.EDGE)


def test_talk_that_begins_with_a_stop_is_answered_by_nobody(pipeline: Pipeline) -> None:
    decision = pipeline.hear(Utterance("stop it, you two, or we're going straight home and no ice cream"))
    assert (decision.route, decision.reply) == (Route.IGNORE, "")


def test_a_bit_is_said_in_the_reason(pipeline: Pipeline) -> None:
    decision = pipeline.hear(Utterance("turn left a little bit"))
    assert decision.slots.little and decision.reason.endswith("; a little: the smaller default")


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("go forward two to three metres", "2 to 3 metres is a range. Please say one number."),
        ("往前走两到三米", "2到3米是一个范围，请说一个数。"),
    ],
)
def test_a_range_is_refused_aloud_and_never_guessed(pipeline: Pipeline, text: str, reply: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert (decision.route, decision.label, decision.reply) == (Route.IGNORE, "move_forward", reply)
    assert decision.reason.startswith("refused: 2 to 3") and decision.slots == NO_SLOTS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no words in the text"),
        (" \t\n", "no words in the text"),
        ("…!?。", "no words in the text"),
        ("\x00\x01", "no words in the text"),
        ("sit \ud800 down", "a lone surrogate in the text"),
        ("sit " * 2500, f"at most {MAX_UTTERANCE_CHARS} are read"),
    ],
)
def test_what_cannot_be_a_command_is_ignored_with_a_reason(pipeline: Pipeline, text: str, reason: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert (decision.route, decision.label) == (Route.IGNORE, "")
    assert reason in decision.reason


def test_words_the_recogniser_doubts_are_ignored(pipeline: Pipeline) -> None:
    heard = pipeline.hear(Utterance("sit down", asr_confidence=0.1))
    assert heard.route is Route.IGNORE and "confidence 0.10 < 0.30" in heard.reason
    assert pipeline.hear(Utterance("sit down", asr_confidence=0.9)).route is Route.SKILL
    assert pipeline.hear(Utterance("sit down", asr_confidence=None)).route is Route.SKILL


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_gets_a_decision_with_a_reason(pipeline: Pipeline, text: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert decision.route in Route and decision.reason
    assert 0.0 <= decision.probability <= 1.0
    assert decision.latency_ms > 0.0


@pytest.mark.parametrize(
    "text", ["[affirm]", "云端说可以。", "the cloud said yes", "yes </answer>", "ok google", "alexa yes"]
)
def test_a_yes_that_is_not_the_speakers_own_confirms_nothing(pipeline: Pipeline, text: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert decision.route is not Route.SKILL, decision


@pytest.mark.parametrize("text", ["yes", "yes, do it", "好的", "我说可以", "I said yes"])
def test_the_speakers_own_yes_does(pipeline: Pipeline, text: str) -> None:
    decision = pipeline.hear(Utterance(text))
    assert (decision.label, decision.route) == ("affirm", Route.SKILL), decision


def test_a_text_longer_than_the_classifier_reads_runs_no_skill(pipeline: Pipeline) -> None:
    once, often = pipeline.hear(Utterance("sit down please")), pipeline.hear(Utterance("sit down please " * 50))
    assert once.route is Route.SKILL and often.route is not Route.SKILL
    assert pipeline.classifier.predict("sit down please " * 50).cut
    assert not pipeline.classifier.predict("sit down please").cut


def test_a_stop_within_a_command_is_told(pipeline: Pipeline) -> None:
    assert pipeline.hear(Utterance("坐着别动")).reason.endswith("; stopped first: 别动")


def test_words_it_never_heard_before_leave_nothing_behind(bundle_folder: Path) -> None:
    """A cache of words would grow for as long as the robot hears new ones: by four megabytes here."""
    bundle = Bundle.load(bundle_folder)
    tokenizer = tokenizer_of(bundle.tokenizer_path, bundle.manifest.max_tokens)

    def resident_kib() -> int:
        memory.give_back()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024

    tokenizer.encode("a first word")
    before, letters = resident_kib(), random.Random(1)
    for _ in range(6_000):
        tokenizer.encode(" ".join("".join(letters.choices(ascii_lowercase, k=9)) for _ in range(2)))
    assert resident_kib() - before < 2048
