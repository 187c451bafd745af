"""The text an answer is made of: how requests are put to the base, and how plan and reply are written and read.

    plan: sit; move_forward distance_m=2 speed=slow
    reply: Sitting down, then walking.

The model is trained on this text. Its output is untrusted: a step that is not in the skill table never leaves `parse`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shadow_intent.errors import InputError, PlanError
from shadow_intent.intent import Slots, printable
from shadow_intent.skills import SkillTable

MAX_STEPS = 8
MAX_REPLY_CHARS = 400
PLAN, REPLY, NO_PLAN = "plan:", "reply:", "none"
SYSTEM = "You are Go2, a robot dog."


@dataclass(frozen=True, slots=True)
class Step:
    """One skill of a plan."""

    label: str
    """A plannable label of the skill table."""
    slots: Slots
    """Within the skill's bounds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the cloud says and wants done."""

    reply: str
    """One paragraph, at most `MAX_REPLY_CHARS`."""
    steps: tuple[Step, ...]
    """At most `MAX_STEPS`, in order."""


def prompt(text: str) -> list[dict[str, str]]:
    """The chat that asks for an answer to an utterance."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def prompt_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of `prompt` through the base's chat template, up to where the answer begins.

    Special tokens in the text are blanked out: spoken or typed, they would end the turn and begin another.
    """
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, " ")
    chat = tokenizer.apply_chat_template(prompt(text), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(chat, add_special_tokens=False).input_ids)


def render(reply: str, steps: Sequence[Step]) -> str:
    """The text of an answer; the inverse of `parse`."""
    return f"{begin(steps)} {reply}"


def begin(steps: Sequence[Step]) -> str:
    """The text of an answer up to its reply."""
    written = "; ".join(
        " ".join([s.label, *(f"{k}={_number(v)}" for k, v in s.slots.as_dict().items())]) for s in steps
    )
    return f"{PLAN} {written or NO_PLAN}\n{REPLY}"


def parse(text: str, table: SkillTable) -> Answer:
    """Reads an answer. Raises PlanError unless every step is a plannable skill with bounded slots."""
    first, _, rest = text.strip().partition("\n")
    if not first.startswith(PLAN) or not rest.startswith(REPLY):
        raise PlanError(f"expected a line '{PLAN} …' and a line '{REPLY} …', got {text[:80]!r}")
    written = first.removeprefix(PLAN).strip()
    pieces = [] if written == NO_PLAN else [piece.strip() for piece in written.split(";")]
    if len(pieces) > MAX_STEPS:
        raise PlanError(f"{len(pieces)} steps, at most {MAX_STEPS}")
    return Answer(clean(rest.removeprefix(REPLY)), tuple(_step(piece, table) for piece in pieces))


def checked_step(label: str, slots: Slots, table: SkillTable) -> Step:
    """A step this table allows. Raises PlanError."""
    try:
        skill = table[label]
        if not skill.plannable:
            raise PlanError(f"{label} cannot be part of a plan")
        return Step(label, skill.bounded(slots))
    except InputError as error:
        raise PlanError(str(error)) from error


def reply_begun(text: str) -> bool:
    """True once the plan line is over and the reply's marker is written."""
    return f"\n{REPLY}" in text


def clean(reply: str) -> str:
    """One printable paragraph of bounded length."""
    return " ".join(printable(reply).split())[:MAX_REPLY_CHARS]


def _step(piece: str, table: SkillTable) -> Step:
    label, *pairs = piece.split()[:16] or [""]
    values: dict[str, float | int | str] = {}
    for pair in pairs:
        name, _, raw = pair.partition("=")
        if name in values:
            raise PlanError(f"{label}: {name} is given twice")
        try:
            values[name] = raw if name == "speed" else int(raw) if name == "count" else float(raw)
        except ValueError:
            raise PlanError(f"{label}: {pair!r} is not name=number") from None
    try:
        slots = Slots.from_dict(values)
    except InputError as error:
        raise PlanError(f"{label}: {error}") from error
    return checked_step(label, slots, table)


def _number(value: object) -> str:
    """2.0 as 2, 0.5 as 0.5."""
    if isinstance(value, float):
        return f"{value:.0f}" if math.isclose(value, round(value)) else f"{value:g}"
    return str(value)
