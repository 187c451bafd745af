"""The grammar of the plan line over a real vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import PLANNABLE, TABLE, make_tokenizer, steps

from shadow_intent.cloud import plan
from shadow_intent.cloud.decode import PlanGrammar, plan_pattern
from shadow_intent.cloud.plan import MAX_STEPS, Step
from shadow_intent.errors import ConfigError, PlanError
from shadow_intent.skills import NOT_PLANNABLE

VOCABULARY = make_tokenizer().get_vocab()
GRAMMAR = PlanGrammar(TABLE, VOCABULARY)
TEXT = {number: token.replace("Ġ", " ").replace("Ċ", "\n") for token, number in VOCABULARY.items()}
PATTERN = plan_pattern(TABLE)


def choices(written: str) -> set[str]:
    return {TEXT[number] for number in GRAMMAR.allowed(written)}


@given(st.lists(steps(), max_size=MAX_STEPS))
def test_every_valid_plan_can_be_written(written: list[Step]) -> None:
    assert PATTERN.match(plan.render("x", written))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_walk_ends_in_a_plan_of_known_skills(data: st.DataObject) -> None:
    written = ""
    while not plan.reply_begun(written):
        options = sorted(choices(written))
        assert options, f"nothing may follow {written!r}"
        written += "\n" if "\n" in options and len(written) > 150 else data.draw(st.sampled_from(options))
    try:
        assert all(step.label in PLANNABLE for step in plan.parse(written, TABLE).steps)
    except PlanError as error:  # a number out of bounds or a step too many, and nothing else
        assert any(word in str(error) for word in ("outside", "at most", "> 0", ">= 1")), error


def test_names_are_spelt_out() -> None:
    assert choices("") == {"p"}
    assert choices("plan: back") == {"_"}
    assert choices("plan: si") == {"t"}
    assert choices("plan: sit") == {";", "\n"}
    assert choices("plan: sit;") == {" "}
    assert choices("plan: none") == {"\n"}
    assert choices("plan: sit\n") == {"r"}


@pytest.mark.parametrize("label", sorted(NOT_PLANNABLE))
def test_what_is_no_skill_of_a_plan_cannot_be_written(label: str) -> None:
    assert not PATTERN.fullmatch(f"plan: {label}\nreply:")


def test_a_skill_takes_only_its_own_slots() -> None:
    assert not PATTERN.fullmatch("plan: sit d", partial=True)
    assert choices("plan: turn_left ") == {"a", "d", "s"}
    assert not PATTERN.fullmatch("plan: turn_left angle_deg=9 a", partial=True)


def test_a_quantity_out_of_bounds_is_not_bent_into_another() -> None:
    """20 degrees is too little for turn_around; it must be possible to end the number there."""
    assert "\n" in choices("plan: turn_around angle_deg=20")
    with pytest.raises(PlanError):
        plan.parse("plan: turn_around angle_deg=20\nreply: ok", TABLE)


def test_a_vocabulary_that_cannot_spell_is_refused() -> None:
    with pytest.raises(ConfigError, match="byte-level"):
        PlanGrammar(TABLE, {"Ġsit": 0, "p": 1})
