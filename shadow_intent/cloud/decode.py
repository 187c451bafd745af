"""Which tokens may continue the plan line."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import regex  # type: ignore[import-untyped]

from shadow_intent.cloud.plan import MAX_STEPS, NO_PLAN, PLAN, REPLY
from shadow_intent.errors import ConfigError
from shadow_intent.intent import SPEEDS
from shadow_intent.skill_rules import QUANTITIES
from shadow_intent.skills import Skill, SkillTable

ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_=;:. \n")
BLANKS = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})
"""How byte-level and SentencePiece vocabularies write blanks."""


def plan_pattern(table: SkillTable) -> regex.Pattern[str]:
    """An answer up to and with the reply's marker.

    Numbers are any digits: a quantity out of bounds must come out as the model meant it, for the parser to refuse. A
    grammar that knew the bounds would bend 20 degrees into 200 and "100 metres" into one. One step too many fits for
    the same reason.
    """
    step = "|".join(_step_pattern(skill) for skill in table.skills.values() if skill.plannable)
    return regex.compile(rf"{PLAN} (?:{NO_PLAN}|(?:{step})(?:; (?:{step})){{0,{MAX_STEPS}}})\n{REPLY}")


def _step_pattern(skill: Skill) -> str:
    values = {"count": r"\d{1,6}", "speed": "|".join(SPEEDS)}
    number = r"\d{1,6}(?:\.\d{1,3})?"
    slots = (f"(?: {name}=(?:{values.get(name, number)}))?" for name in QUANTITIES if name in skill.slots)
    return regex.escape(skill.label) + "".join(slots)


class PlanGrammar:
    """The vocabulary of a base as a tree of characters, walked along the pattern."""

    def __init__(self, table: SkillTable, vocabulary: Mapping[str, int]) -> None:
        """`vocabulary`: token -> id, as the tokenizer has it. Raises ConfigError when no plan can be spelt with it."""
        self._pattern = plan_pattern(table)
        self._root: dict[str, Any] = {}
        for token, number in vocabulary.items():
            text = token.translate(BLANKS)
            if text and ALPHABET.issuperset(text):
                node = self._root
                for character in text:
                    node = node.setdefault(character, {})
                node[""] = number
        if missing := ALPHABET - {c for c, node in self._root.items() if "" in node}:
            raise ConfigError(
                f"the base's tokenizer has no tokens for {sorted(missing)}; use a base with byte-level BPE"
            )
        self.allowed = lru_cache(maxsize=4096)(self._allowed)

    def _allowed(self, written: str) -> tuple[int, ...]:
        """Ids of the tokens after which `written` can still become an answer; never empty before the reply begins."""
        found: list[int] = []
        waiting = [(self._root, written)]
        while waiting:
            node, text = waiting.pop()
            for character, child in node.items():
                if not character:
                    found.append(child)
                elif self._pattern.fullmatch(text + character, partial=True):
                    waiting.append((child, text + character))
        return tuple(sorted(found))
