"""Asking back when unsure, and what the answers mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shadow_intent.clarify import PlanQuestion, Question, answer, question, yes_or_no
from shadow_intent.cloud.plan import Step
from shadow_intent.intent import NO_SLOTS, Decision, Route, Slots, Source, Utterance
from shadow_intent.skills import load_skills

SKILLS = load_skills()


def unsure(text: str, *alternatives: str) -> Decision:
    utterance = Utterance(text)
    return Decision(utterance, Route.REMOTE, "sit", 0.5, "unsure", Source.EDGE, alternatives=alternatives)


def heard(text: str, label: str = "remote", to: Route | None = None, slots: Slots = NO_SLOTS) -> Decision:
    to = to or {"remote": Route.REMOTE, "ignore": Route.IGNORE}.get(label, Route.SKILL)
    return Decision(Utterance(text), to, label, 0.9, "", Source.EDGE, slots)


def ask(text: str, *alternatives: str, language: str = "en") -> Question:
    asked = question(unsure(text, *alternatives), language, SKILLS)
    assert asked is not None
    return asked


EITHER = ask("sit town", "sit", "lie_down")
ONE = ask("sit town", "sit")


@pytest.mark.parametrize(
    ("alternatives", "language", "text"),
    [
        (("sit", "lie_down"), "en", "Did you mean sit down or lie down?"),
        (("sit", "lie_down"), "zh", "你是要坐下还是趴下？"),
        (("sit", "affirm"), "en", "Did you mean sit down? Say yes or no."),
        (("remote", "back_flip"), "zh", "你是要后空翻吗？请说好的或不要。"),
    ],
)
def test_the_question_names_the_skills_in_the_speakers_language(
    alternatives: tuple[str, ...], language: str, text: str
) -> None:
    assert ask("sit town", *alternatives, language=language).text(SKILLS) == text


@pytest.mark.parametrize("alternatives", [(), ("affirm", "deny"), ("remote", "ignore")])
def test_what_is_no_skill_is_not_asked_about(alternatives: tuple[str, ...]) -> None:
    assert question(unsure("hm", *alternatives), "en", SKILLS) is None


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (heard("sit down", "sit"), "sit"),
        (heard("I mean lie down", "lie_down"), "lie_down"),
        (heard("the sit down one"), "sit"),
        (heard("The first one, please."), "sit"),
        (heard("number two"), "lie_down"),
        (heard("um the latter", "ignore"), "lie_down"),
        (heard("no, the second one", "deny"), "lie_down"),
        (heard("yes, the first", "affirm"), "sit"),
        (heard("第一个"), "sit"),
        (heard("是后面那个吧"), "lie_down"),
        (heard("第二個", "ignore"), "lie_down"),
        (heard("我说的是趴下"), "lie_down"),
        (heard("不，第二个", "deny"), "lie_down"),
    ],
)
def test_an_answer_names_a_skill_or_its_place(said: Decision, label: str) -> None:
    decision, still_open = answer(EITHER, said, SKILLS)
    assert (decision.route, decision.label, decision.utterance) == (Route.SKILL, label, said.utterance)
    assert decision.reason == f"the speaker chose {label} of sit / lie_down"
    assert still_open is None


@pytest.mark.parametrize(
    "said",
    [
        heard("go for it", "affirm"),
        heard("yes please"),
        heard("yeah", "ignore"),
        heard("是的"),
        heard("对啊", "ignore"),
        heard("go ahead", "stand_up", Route.REMOTE),
        heard("please do", "remote"),
        heard("that's right", "ignore"),
        heard("嗯", "ignore"),
    ],
)
def test_yes_to_one_skill_runs_it(said: Decision) -> None:
    decision, still_open = answer(ONE, said, SKILLS)
    assert (decision.route, decision.label, still_open) == (Route.SKILL, "sit", None)


WALK = ask("wok forward three metres", "move_forward")
UNFIT = {"label": "", "to": Route.IGNORE}


@pytest.mark.parametrize(
    "said",
    [
        heard("Did you mean walk forward? Say yes or no."),
        heard("never walk forward again"),
        heard("is walk forward safe?"),
        heard("walk forward?"),
        heard("no walk forward", "ignore"),
        heard("he said walk forward", "ignore"),
        heard("walk forward to the door"),
        heard("walk forward two to three metres", "move_forward", Route.IGNORE),
        heard("sit down two metres"),
        heard("往前走吗？"),
        heard("别往前走", "ignore"),
        heard("他说往前走", "ignore"),
        heard("walk forward", **UNFIT),
        heard("yes", **UNFIT),
        heard("no", **UNFIT),
        heard("yes?", "affirm", Route.IGNORE),
        heard("yes?"),
        heard("[yes]", "ignore"),
        heard("yes, he told me so", "affirm", Route.IGNORE),
        heard("说好", "hello", Route.REMOTE),
        heard("第一个？"),
        heard("good", "affirm", Route.IGNORE),
        heard("行了"),
        heard("好了", "ignore"),
    ],
)
def test_a_name_or_a_yes_among_other_words_is_no_answer(said: Decision) -> None:
    assert answer(WALK, said, SKILLS) == (said, WALK if said.route is Route.IGNORE else None)


@pytest.mark.parametrize(
    "said",
    [heard("yes or no", "affirm", Route.REMOTE), heard("好啦", "affirm"), heard("好了好了", "affirm", Route.REMOTE)],
)
def test_an_unclear_yes_is_none_and_leaves_the_question_open(said: Decision) -> None:
    decision, still_open = answer(WALK, said, SKILLS)
    assert (decision.route, decision.reason, still_open) == (Route.IGNORE, "no clear yes or no", WALK)


def test_a_refused_amount_ends_the_question() -> None:
    said = replace(heard("walk forward 2 to 3 metres", "move_forward", Route.IGNORE), reply="Please say one number.")
    assert answer(WALK, said, SKILLS) == (said, None)


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        (heard("walk forward"), Slots(distance_m=3.0)),
        (heard("um, I mean walk forward, please"), Slots(distance_m=3.0)),
        (heard("Yes, just walk forward.", "affirm"), Slots(distance_m=3.0)),
        (heard("walk forward two metres"), Slots(distance_m=2.0)),
        (heard("I said, walk forward 2 metres slowly", "ignore"), Slots(distance_m=2.0, speed="slow")),
        (heard("ｗａｌｋ ｆｏｒｗａｒｄ a little"), Slots(little=True)),
        (heard("我说的是往前走"), Slots(distance_m=3.0)),
        (heard("请往前走两米吧"), Slots(distance_m=2.0)),
        (heard("好的，往前走两米，慢一点"), Slots(distance_m=2.0, speed="slow")),
        (heard("yes, slowly", "affirm"), Slots(distance_m=3.0, speed="slow")),
        (heard("yes, slightly", "affirm"), Slots(little=True)),
        (heard("yes, ten centimetres", "affirm"), Slots(distance_m=0.1)),
    ],
)
def test_a_name_with_fillers_and_amounts_is_an_answer(said: Decision, slots: Slots) -> None:
    decision, still_open = answer(WALK, said, SKILLS)
    assert (decision.route, decision.label, decision.slots, still_open) == (Route.SKILL, "move_forward", slots, None)


def test_yes_to_two_is_asked_about_once_and_never_guessed() -> None:
    decision, again = answer(EITHER, heard("yes", "affirm"), SKILLS)
    assert (decision.route, decision.reply) == (Route.IGNORE, "Which one, first sit down or second lie down?")
    assert again is not None and answer(again, heard("the second", "remote"), SKILLS)[0].label == "lie_down"
    decision, still_open = answer(again, heard("yes", "affirm"), SKILLS)
    assert (decision.route, still_open) == (Route.IGNORE, None)
    assert decision.reply == "All right. Please say it differently."


@pytest.mark.parametrize(
    "said",
    [heard("forget it", "deny"), heard("no"), heard("neither of them"), heard("两个都不是", "ignore"), heard("不是")],
)
@pytest.mark.parametrize("asked", [EITHER, ONE])
def test_no_ends_the_question(asked: Question, said: Decision) -> None:
    decision, still_open = answer(asked, said, SKILLS)
    assert (decision.route, still_open) == (Route.IGNORE, None)
    assert decision.reply == "All right. Please say it differently."


@pytest.mark.parametrize(
    "said",
    [
        heard("dance", "dance"),
        heard("why is the sky blue"),
        heard("sit down or lie down, whatever"),
        heard("not the first"),
        heard("不要第一个"),
        heard("sitting is fun", "sit", Route.REMOTE),
        replace(heard("stop", "stop"), source=Source.STOP),
    ],
)
def test_something_else_ends_the_question_and_stands(said: Decision) -> None:
    assert answer(EITHER, said, SKILLS) == (said, None)


def test_front_and_back_are_directions_and_right_may_be_one() -> None:
    either = ask("往后走", "move_backward", "move_forward", language="zh")
    for text, label in (("前", "move_forward"), ("后面", "move_backward"), ("往前", "move_forward")):
        assert answer(either, heard(text, label), SKILLS)[0].label == label
    assert answer(either, heard("前面那个"), SKILLS)[0].label == "move_backward"
    left = ask("tern loft", "turn_left")
    for said in (
        heard("no right", "deny", Route.REMOTE),
        heard("right"),
        heard("no sure"),
        heard("no, right", "turn_right"),
    ):
        decision, _ = answer(left, said, SKILLS)
        assert (decision.route, decision.label) != (Route.SKILL, "turn_left"), said
    assert decision.label == "turn_right"


def test_talk_between_people_leaves_it_open() -> None:
    said = heard("he told me to wait", "ignore")
    assert answer(EITHER, said, SKILLS) == (said, EITHER)


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        (heard("turn left", "turn_left"), {"angle_deg": 90.0, "speed": "slow"}),
        (heard("the first one"), {"angle_deg": 90.0, "speed": "slow"}),
        (heard("left, thirty degrees", "turn_left", slots=Slots(angle_deg=30.0)), {"angle_deg": 30.0, "speed": "slow"}),
    ],
)
def test_quantities_of_the_first_utterance_hold_unless_the_answer_names_others(
    said: Decision, slots: dict[str, Any]
) -> None:
    asked = ask("tern loft ninety degrees slowly", "turn_left", "turn_right")
    assert answer(asked, said, SKILLS)[0].slots.as_dict() == slots


@pytest.mark.parametrize(
    ("said", "little"),
    [
        (heard("yes"), True),
        (heard("turn left", "turn_left"), True),
        (heard("left", "turn_left", slots=Slots(speed="slow")), True),
    ],
)
def test_a_bit_stays_a_bit(said: Decision, little: bool) -> None:
    assert answer(ask("tern loft a bit", "turn_left"), said, SKILLS)[0].slots.little is little


@pytest.mark.parametrize(
    ("text", "runs"), [("yes", False), ("walk forward slowly", False), ("walk forward ten centimetres", True)]
)
def test_a_range_is_not_made_good_by_a_speed(text: str, runs: bool) -> None:
    asked = ask("walk ford between ten and twenty centimetres", "move_forward")
    decision, _ = answer(asked, heard(text, "affirm" if text == "yes" else "remote"), SKILLS)
    assert (decision.route is Route.SKILL) is runs


def test_an_amount_in_the_answer_is_no_bit() -> None:
    said = heard("left ninety degrees", "turn_left", slots=Slots(angle_deg=90.0))
    assert answer(ask("tern loft a bit", "turn_left"), said, SKILLS)[0].slots == Slots(angle_deg=90.0)


TURN = PlanQuestion(
    unsure("turn round"), (Step("turn_left", Slots(little=True)), Step("hello", NO_SLOTS)), "en", Source.CLOUD
)


def test_a_plan_is_asked_about_with_all_that_will_be_done() -> None:
    assert TURN.text(SKILLS) == "Did you mean turn left a little, then say hello? Say yes or no."
    steps = (Step("move_forward", Slots(distance_m=0.5, speed="slow")), Step("spin", Slots(count=2)))
    chinese = replace(TURN, steps=steps, language="zh")
    assert chinese.text(SKILLS) == "你是要往前走0.5米慢慢地，然后转圈2次吗？请说好的或不要。"


@pytest.mark.parametrize(
    ("said", "yes"),
    [
        (heard("yes"), True),
        (heard("yes please do"), True),
        (heard("Okay, go ahead."), True),
        (heard("好的"), True),
        (heard("嗯，好"), True),
        (heard("by all means", "affirm"), True),
        (heard("no"), False),
        (heard("不要"), False),
        (heard("please leave it", "deny"), False),
        (heard("no, right"), None),
        (heard("right"), None),
        (heard("Yes, that's right.", "affirm"), True),
        (heard("是的没错", "affirm"), True),
        (heard("没问题", "affirm"), True),
        (heard("要的", "affirm"), True),
        (heard("不 行", "deny"), False),
        (heard("不 好"), None),
        (heard("对不对"), False),
        (heard("说好", "affirm"), None),
        (heard("yes, not that", "affirm"), False),
        (heard("sit down", "sit"), None),
        (heard("yes", **UNFIT), None),
        (heard("no", **UNFIT), None),
        (heard("yes", "affirm", Route.IGNORE), None),
        (heard("yes?"), None),
        (heard("no?"), False),
        (heard("[yes]", "ignore"), None),
        (heard("好了"), None),
        (heard("行了", "ignore"), None),
        (heard("可以了", "affirm"), None),
        (heard("好啦", "affirm"), None),
        (heard("好的啦", "affirm"), True),
        (heard("对啦", "affirm"), True),
        (heard("Yes, that\u02bcs right."), True),
        (heard("ｙｅｓ"), True),
    ],
)
def test_only_a_plain_yes_is_one(said: Decision, yes: bool | None) -> None:
    assert yes_or_no(said) is yes
