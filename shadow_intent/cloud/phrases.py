"""Sentences the cloud says when the model has none that may be spoken."""

from __future__ import annotations

from collections.abc import Sequence

from shadow_intent.cloud.plan import Step
from shadow_intent.skills import SkillTable

REFUSED = {
    "en": "I can't do exactly that, so I am staying as I am.",
    "zh": "这个我没法照做，所以我先不动。",
}
"""The plan was not one this robot may run."""
SPEECHLESS = {
    "en": "I don't have an answer to that.",
    "zh": "这个问题我现在还不能用中文回答。",
}
"""There is neither a plan nor a reply."""


def announce(steps: Sequence[Step], table: SkillTable, language: str) -> str:
    """A sentence that says what the plan does, or that there is nothing to say."""
    names = [table[step.label].name[language] for step in steps]
    if not names:
        return SPEECHLESS[language]
    return f"好的，我会：{'，然后'.join(names)}。" if language == "zh" else f"All right, I will {', then '.join(names)}."
