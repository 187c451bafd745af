"""Writing token by token: which tokens may continue a plan, and one forward pass at a time through a cache."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import regex
import torch
from torch import Tensor, nn
from transformers import DynamicCache

from shadow_intent.cloud.plan import MAX_STEPS, NO_PLAN
from shadow_intent.errors import ConfigError
from shadow_intent.intent import SPEEDS
from shadow_intent.skills import QUANTITIES, Skill, SkillTable

ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_=;. \n")
SPACE_MARKS = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})
"""How byte-level and SentencePiece vocabularies write blanks."""


def plan_pattern(table: SkillTable) -> regex.Pattern[str]:
    """What may stand on the plan line after "plan:", its line break included.

    Numbers are any digits: a quantity out of bounds must come out as the model meant it, for the parser to refuse; a
    grammar that knew the bounds would bend "100 metres" into one metre. For the same reason one step too many fits.
    """
    step = "|".join(_step_pattern(skill) for skill in table.skills.values() if skill.plannable)
    return regex.compile(rf" (?:{NO_PLAN}|(?:{step})(?:; (?:{step})){{0,{MAX_STEPS}}})\n")


def _step_pattern(skill: Skill) -> str:
    values = {"count": r"\d{1,6}", "speed": "|".join(SPEEDS)}
    number = r"\d{1,6}(?:\.\d{1,3})?"
    slots = (f"(?: {name}=(?:{values.get(name, number)}))?" for name in QUANTITIES if name in skill.slots)
    return regex.escape(skill.label) + "".join(slots)


class PlanGrammar:
    """The tokens that may come next on the plan line. Knows no state: the text so far says it all."""

    def __init__(self, table: SkillTable, vocabulary: Mapping[str, int]) -> None:
        """`vocabulary`: token -> id, as the tokenizer has it. Raises ConfigError when no plan can be spelt with it."""
        self._pattern = plan_pattern(table)
        self.text: dict[int, str] = {}
        """What each token that can occur in a plan adds to the line."""
        self._root: dict[str, Any] = {}
        for token, number in vocabulary.items():
            text = token.translate(SPACE_MARKS)
            if text and ALPHABET.issuperset(text):
                self.text[number] = text
                node = self._root
                for character in text:
                    node = node.setdefault(character, {})
                node[""] = number
        missing = ALPHABET - self._root.keys()
        if missing:
            raise ConfigError(f"the base's tokenizer has no tokens for {sorted(missing)}; choose a base with byte-level BPE")
        self.allowed = lru_cache(maxsize=4096)(self._allowed)

    def _allowed(self, written: str) -> tuple[int, ...]:
        """Ids of the tokens after which `written`, the line after "plan:", can still become a plan; never empty before
        its line break."""
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


class Decoder:
    """One answer being written by a model with a shadow, batch of one."""

    def __init__(self, model: nn.Module, prompt: list[int]) -> None:
        """`prompt`: token ids of the request, the part in which the shadow reads both ways."""
        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._waiting = list(prompt)
        prefix = model.shadow_config.prefix_attention
        self._arguments = {"prefix_length": torch.tensor([len(prompt)])} if prefix else {}

    @torch.inference_mode()
    def feed(self, tokens: list[int]) -> Tensor:
        """Appends tokens; returns the logits (V,) of what comes next."""
        ids = torch.tensor([self._waiting + tokens])
        self._waiting = []
        output = self._model(ids, past_key_values=self._cache, logits_to_keep=1, **self._arguments)
        return output.logits[0, -1]
