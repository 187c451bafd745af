"""Plans from clauses: with the shipped bundle what is sure becomes a plan, and every doubt is left to the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_intent.bundle import Bundle
from shadow_intent.clauses import NO_PLAN, ClauseReader, split
from shadow_intent.cloud.engine import Engine
from shadow_intent.cloud.plan import MAX_STEPS, Step
from shadow_intent.errors import BundleError
from shadow_intent.intent import NO_SLOTS, Slots
from shadow_intent.pipeline import Pipeline
from shadow_intent.skills import SkillTable


@pytest.fixture(scope="module")
def reader(skills: SkillTable) -> ClauseReader:
    return ClauseReader(Pipeline.from_bundle(Bundle.load()), skills)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("sit down and then wave", [("sit", {}), ("hello", {})]),
        ("first turn left 90 degrees, then go forward two metres", ["turn_left 90", "move_forward 2"]),
        ("go forward a metre and a half and lie down please", ["move_forward 1.5", ("lie_down", {})]),
        ("stand up, spin twice, sit", [("stand_up", {}), ("spin", {"count": 2}), ("sit", {})]),
        ("turn on the light and turn right a little", [("light_on", {}), ("turn_right", {"little": True})]),
        ("before you sit down, wave", [("hello", {}), ("sit", {})]),
        ("lie down after you turn right 30 degrees", ["turn_right 30", ("lie_down", {})]),
        ("turn left forty five degrees forward two metres bow", ["turn_left 45", "move_forward 2", ("bow", {})]),
        ("light on, light on", [("light_on", {})]),
        ("左转，左转", [("turn_left", {}), ("turn_left", {})]),
        ("坐下之前先打个招呼", [("hello", {}), ("sit", {})]),
        ("关灯坐下", [("light_off", {}), ("sit", {})]),
        ("先坐下再打个招呼", [("sit", {}), ("hello", {})]),
        ("往前走两米，然后左转九十度", ["move_forward 2", "turn_left 90"]),
        ("站起来，开灯，跳个舞", [("stand_up", {}), ("light_on", {}), ("dance", {})]),
    ],
)
def test_commands_in_one_breath_become_steps_in_order(reader: ClauseReader, text: str, steps: list[Any]) -> None:
    assert reader.plan(text).steps == tuple(map(step_of, steps))


def step_of(written: str | tuple[str, dict[str, Any]]) -> Step:
    """`turn_left 90`, or a label with its slots."""
    if isinstance(written, tuple):
        return Step(written[0], Slots(**written[1]))
    label, amount = written.split()
    return Step(label, Slots(**{"angle_deg" if "turn" in label else "distance_m": float(amount)}))


@pytest.mark.parametrize(
    "text",
    [
        "sit down",  # the robot's own business
        "sit down, but wave first",
        "sit down or lie down",
        "stand still while you wave, then sit",
        "go forward two metres three times, then sit",  # more than the skill can be told
        "turn left, no, right, and then sit",
        "turn left, make that turn right",
        "sit down, actually stand up",
        "turn left and before that wave",
        "turn left after you wave, then sit",
        "refuse to sit down and wave",
        "wave and sit, in reverse order",
        "go limp and then stand up",  # that, a person has to say alone
        "don't sit, wave",
        "don\u2019t sit, wave",
        "don\u02bct sit, wave",
        "sit down and then wave if you see a cat",
        "in ten minutes lie down and sleep",
        "he sat down and then he waved",
        "we walked in, sat down and ordered two coffees",
        "sit down and tell me a joke",
        "sit down and then fetch my slippers",
        "go forward a hundred and then sit",  # a number that is no distance
        "go forward nine hundred metres and then sit",
        "坐下，先打个招呼",
        "坐下!先打个招呼",
        "坐下前打招呼",
        "坐下或者趴下",
        "左转改成右转",
        "勿左转，前进",
        "坐下然后断电",
        "左转，不对，右转，再坐下",
        "他坐下来，然后挥了挥手",
        "坐下，给我讲个笑话",
        "如果有人来就坐下然后打招呼",
        "and then, and then, and then",
        "",
        "，，，",
    ],
)
def test_every_doubt_is_left_to_the_base(reader: ClauseReader, text: str) -> None:
    assert reader.plan(text) == NO_PLAN


@pytest.mark.parametrize(
    "text",
    [
        "sit down and then wave",
        "can you sit down and wave",
        "please stand up, turn left 90 degrees and go forward two steps",
        "before you sit down, wave",
        "坐下，然后打个招呼",
        "前进两米后左转",
        "先开灯再坐下",
    ],
)
def test_orders_that_joints_part_are_sure(reader: ClauseReader, text: str) -> None:
    plan = reader.plan(text)
    assert plan.sure and plan == reader.plan(text, cutting=False)


@pytest.mark.parametrize(
    "text",
    [
        "turn left forty five degrees forward two metres bow",  # cut by the classifier
        "can dogs sit down and roll over?",
        "do I turn left and go forward",
        "shall I sit down and wave",
        "I turn left and walk forward",
        "you turned left and walked forward",
        "mommy sit down and dance",
        "everybody sit down and wave",
        "let him sit down and wave",
        "walk forward and turn left both slowly",
        "volume up and down",
        "stop dancing and sit down",
        "狗能坐下然后打滚吗",
        "左转，然后前进？",
        "你坐下然后打招呼了",
        "车左转然后前进",
        "导航说左转然后前进",
        "左转然后前进，都慢一点",
    ],
)
def test_what_may_be_no_order_is_never_sure(reader: ClauseReader, text: str) -> None:
    assert not reader.plan(text).sure


def test_a_stop_that_comes_first_is_none_of_the_steps(reader: ClauseReader) -> None:
    assert [step.label for step in reader.plan("stop dancing and sit down").steps] == ["sit"]


@pytest.mark.parametrize("text", ["sit down，then wave", "ｓｉｔ ｄｏｗｎ, then wave", "sit down, th\u200ben wave"])
def test_odd_signs_say_the_same(reader: ClauseReader, text: str) -> None:
    assert reader.plan(text) == reader.plan("sit down, then wave") != NO_PLAN


def test_more_clauses_than_a_plan_may_have_are_no_plan(reader: ClauseReader) -> None:
    assert len(reader.plan(", ".join(["sit", "stand up"] * (MAX_STEPS // 2))).steps) == MAX_STEPS
    assert reader.plan(", ".join(["sit", "stand up"] * (MAX_STEPS // 2) + ["sit"])) == NO_PLAN


def test_clauses_lose_what_joins_orders_and_softens_them() -> None:
    text = "OK, first you turn a hundred and twenty degrees right, and after that sit please; then go 1.5 metres"
    assert split(text) == ["turn a hundred and twenty degrees right", "sit", "go 1.5 metres"]
    assert split("麻烦你先坐下，然后再站起来") == ["坐下", "站起来"]


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_no_error_and_no_unknown_step(reader: ClauseReader, skills: SkillTable, text: str) -> None:
    for step in reader.plan(text).steps:
        assert skills[step.label].plannable
        skills[step.label].bounded(step.slots)


def test_the_engine_takes_the_plan_and_lets_the_base_speak(
    make_engine: Callable[..., Engine], reader: ClauseReader
) -> None:
    engine = make_engine()
    engine.clauses = reader
    parts: list[str] = []
    answer = engine.answer("turn left then wave", parts.append, lambda: False)
    assert answer.steps == (Step("turn_left", NO_SLOTS), Step("hello", NO_SLOTS))
    assert parts and answer.reply and "plan" not in answer.reply
    assert all(answer.reply.startswith(part) for part in parts)

    chinese = engine.answer("左转，再打个招呼", parts.append, lambda: False)
    assert chinese.steps == answer.steps
    assert chinese.reply == "好的，我会左转然后打招呼。"


def test_the_shadow_of_the_clauses_is_the_bundles_own(make_engine: Callable[..., Engine]) -> None:
    with pytest.raises(BundleError, match=r"tokenizer.json|model.onnx"):  # which this bundle has none of
        make_engine(read_clauses=True)
