"""The plan text: what is written can be read, and nothing else becomes a step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_intent.cloud import plan
from shadow_intent.cloud.plan import MAX_REPLY_CHARS, MAX_STEPS, Answer, Step
from shadow_intent.errors import PlanError
from shadow_intent.intent import SPEEDS, Slots
from shadow_intent.skills import NOT_PLANNABLE, load_skills

TABLE = load_skills()
PLANNABLE = sorted(set(TABLE.skills) - NOT_PLANNABLE)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step the table allows, with numbers as people say them."""
    skill = TABLE[draw(st.sampled_from(PLANNABLE))]
    values: dict[str, float | int | str] = {}
    for name, bound in skill.slots.items():
        if not draw(st.booleans()):
            continue
        if name == "speed":
            values[name] = draw(st.sampled_from(SPEEDS))
        elif name == "count":
            values[name] = draw(st.integers(int(bound.min or 1), int(bound.max or 1)))
        else:
            low, high = round((bound.min or 0) * 100), round((bound.max or 0) * 100)
            values[name] = draw(st.integers(low, high)) / 100
    return Step(skill.label, Slots.from_dict(values))


@given(st.lists(steps(), max_size=MAX_STEPS), st.text(max_size=200))
def test_what_is_written_is_read_back(written: list[Step], reply: str) -> None:
    assert plan.parse(plan.render(reply, written), TABLE) == Answer(plan.clean(reply), tuple(written))


@given(st.text())
def test_any_other_text_is_refused_or_harmless(text: str) -> None:
    for candidate in (text, f"plan: {text}\nreply: ok", f"plan: none\nreply: {text}"):
        try:
            answer = plan.parse(candidate, TABLE)
        except PlanError:
            continue
        for step in answer.steps:
            assert step.label in PLANNABLE
            TABLE[step.label].bounded(step.slots)
        assert len(answer.reply) <= MAX_REPLY_CHARS
        assert answer.reply.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        "self_destruct",
        "remote",
        "affirm",
        "sit; affirm",
        "Sit",
        "sit distance_m=1",
        "sit height=1",
        "move_forward distance_m=900",
        "move_forward distance_m=-1",
        "move_forward distance_m=nan",
        "move_forward distance_m=inf",
        "move_forward distance_m=1 distance_m=2",
        "move_forward distance_m",
        "move_forward speed=warp",
        "hello count=1.5",
        "hello count=0",
        "sit;",
        "sit;;hello",
        "none; sit",
        "",
        "; ".join(["sit"] * (MAX_STEPS + 1)),
    ],
)
def test_a_bad_plan_is_refused(line: str) -> None:
    with pytest.raises(PlanError):
        plan.parse(f"plan: {line}\nreply: ok", TABLE)


@pytest.mark.parametrize(
    "text", ["", "plan: sit", "reply: hi", "hello there", "plan: sit\nhello", "reply: x\nplan: sit"]
)
def test_a_missing_line_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="expected a line"):
        plan.parse(text, TABLE)


@given(st.lists(steps(), max_size=MAX_STEPS))
def test_the_grammar_lets_every_valid_plan_through(written: list[Step]) -> None:
    text = plan.render("", written)
    assert all(plan.may_become(text[:n], TABLE) for n in range(len(text)))


@pytest.mark.parametrize(
    "text", ["x", "plan:s", "plan: fly", "plan: remote", "plan: sit;hello", "plan: sit x", "plan: none; ", "plan: self"]
)
def test_the_grammar_stops_what_cannot_become_a_plan(text: str) -> None:
    assert not plan.may_become(text, TABLE)


def test_a_reply_is_one_printable_paragraph() -> None:
    assert plan.clean("  a\n\nb\x00c\u202e  d ") == "a b c d"
    assert len(plan.clean("x" * 5000)) == MAX_REPLY_CHARS
