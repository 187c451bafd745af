"""Sentences made on the fly around commands of the training part: two skills in one breath, corrections, reports …

What a carrier sentence does to a command decides the label of the whole, whatever the command is. Every epoch draws
other pairs, so a carrier is learnt and no sentence is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

from shadow_intent.errors import ConfigError
from shadow_intent.intent import NO_SLOTS
from shadow_intent.skills import load_skills
from training.corpus import DATA, NO_LABEL, Example

CARRIERS = DATA / "carriers.yaml"
OTHER_COMMAND = "b"
"""In place of a label: the carrier has the label of the command in its {b}."""
NOT_COMMANDS = ("remote", "ignore", "affirm", "deny", "stop", "damp", "report_status")
"""Labels whose utterances do not stand in a carrier: they are no request for a movement, trick or setting."""

_IMPERATIVE = {
    "en": re.compile(
        r"(sit|lie|lay|stand|get|go|come|walk|run|move|march|turn|spin|twirl|jump|hop|leap|dance|do|make|take|give|show|wave|bow|"
        r"stretch|strike|roll|flip|back|step|slide|shift|scoot|rotate|pivot|face|speed|slow|raise|lower|switch|put|"
        r"enable|disable|act|be|look|say|shake|wiggle|pounce|reverse|recover|flop|draw|hold|perform|sidestep|strafe)\b"
    ),
    "zh": re.compile(r"."),
}
_NOT_PLAIN = {
    "en": re.compile(
        r"[^a-z0-9 '-]|\b(please|now|you|your|can|could|would|will|me|us|i|my|no|not|don't|and|then|but|robot|dog|"
        r"doggy|puppy|pup|boy|girl|buddy|rex|spot|again|okay|ok|today|if|when|because|or)\b"
    ),
    "zh": re.compile(r"[^\u4e00-\u9fff0-9]|[请你您吗呢吧呀啊啦我他她别不没先再然快来小狗旺财乖能会可帮给谁啥嘛哦哎喂]"),
}
_WORD = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
"""A Han character, or anything else between blanks."""
_REPLACED_OF_TEN = 3
"""Words of a text."""
_LONGEST = {"en": 32, "zh": 8}
"""Characters of a command that may stand in a carrier."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """One sentence of carriers.yaml."""

    text: str
    label: str
    """A label, or `OTHER_COMMAND`."""
    guards: tuple[str, ...]
    """Guards that the skill of {a} may have; empty: any."""


def load_carriers(path: Path = CARRIERS) -> dict[str, list[list[Carrier]]]:
    """Carriers by language, in groups. Raises ConfigError naming the sentence that is wrong."""
    labels = load_skills().skills
    carriers: dict[str, list[list[Carrier]]] = {}
    for language, groups in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        carriers[language] = []
        for group in groups:
            label, guards = group["label"], tuple(group.get("only", ()))
            if label not in labels and label != OTHER_COMMAND:
                raise ConfigError(f"{path}: label {label!r} is neither a label nor {OTHER_COMMAND!r}")
            for text in group["sentences"]:
                if not {"a", "b"} >= set(re.findall(r"\{(.*?)\}", text)) or (
                    label == OTHER_COMMAND and "{b}" not in text
                ):
                    raise ConfigError(f"{path}: {text!r} must hold {{a}} or {{b}}, and {{b}} when the label is its")
            carriers[language].append([Carrier(text, label, guards) for text in group["sentences"]])
    return carriers


def _below(generator: torch.Generator, n: int) -> int:
    """A random number from 0 to n - 1."""
    return int(torch.randint(n, (), generator=generator))


class Augmenter:
    """Draws carrier sentences filled with short plain commands."""

    def __init__(self, examples: Sequence[Example]) -> None:
        """`examples`: the training part."""
        self._carriers = load_carriers()
        self._skills = load_skills()
        self._commands: dict[str, dict[str, list[str]]] = {}
        for language in self._carriers:
            by_label: dict[str, list[str]] = defaultdict(list)
            for example in examples:
                if example.language == language and example.label not in NOT_COMMANDS and plain(example.text, language):
                    by_label[example.label].append(_bare(example.text))
            self._commands[language] = dict(by_label)

    def __bool__(self) -> bool:
        """Whether there are two different commands of one language, which every carrier needs."""
        return any(len(commands) > 1 for commands in self._commands.values())

    def draw(self, count: int, generator: torch.Generator) -> Iterator[Example]:
        """`count` sentences, every language and group of carriers equally often; only when this is true."""
        pick = partial(_below, generator)
        languages = [language for language, commands in self._commands.items() if len(commands) > 1]
        for n in range(count):
            language = languages[n % len(languages)]
            group = self._carriers[language][pick(len(self._carriers[language]))]
            carrier, commands = group[pick(len(group))], self._commands[language]
            allowed = [x for x in commands if not carrier.guards or self._skills[x].guard in carrier.guards]
            first = (allowed or list(commands))[pick(len(allowed or commands))]
            others = [label for label in commands if label != first]
            second = others[pick(len(others))]
            texts = {
                "a": commands[first][pick(len(commands[first]))],
                "b": commands[second][pick(len(commands[second]))],
            }
            label = second if carrier.label == OTHER_COMMAND else carrier.label
            yield Example(carrier.text.format(**texts), label, language, NO_SLOTS, carrier.text)


class Mixer:
    """Makes texts of the words of others, which mean nothing in particular: a teacher knows more than their labels.

    Either words are replaced by any others of the language, or two texts are cut and put together, or it is a fragment.
    """

    def __init__(self, examples: Sequence[Example], more: Mapping[str, Sequence[str]] = {}) -> None:
        """`examples`: the training part; `more`: other words by language, which replace some of theirs."""
        self._texts: dict[str, list[list[str]]] = defaultdict(list)
        for example in examples:
            self._texts[example.language].append(_WORD.findall(example.text))
        self._words = {
            language: sorted({word for text in texts for word in text} | set(more.get(language, ())))
            for language, texts in self._texts.items()
        }

    def draw(self, count: int, generator: torch.Generator) -> Iterator[Example]:
        """`count` texts without a label, every language equally often."""
        pick = partial(_below, generator)
        languages = list(self._texts)
        for n in range(count):
            language = languages[n % len(languages)]
            texts, words = self._texts[language], self._words[language]
            first, second = (texts[pick(len(texts))] for _ in range(2))
            way = pick(3)
            if way == 0:
                mixed = [words[pick(len(words))] if pick(10) < _REPLACED_OF_TEN else word for word in first]
            elif way == 1:
                mixed = first[: 1 + pick(len(first))] + second[pick(len(second)) :]
            else:
                start = pick(len(first))
                mixed = first[start : start + 1 + pick(len(first) - start)]
            yield Example(("" if language == "zh" else " ").join(mixed), NO_LABEL, language, NO_SLOTS, "mixed")


def words_of(tokenizer: Any) -> list[str]:
    """The lower-case words that are one token of a byte-level BPE tokenizer, from three letters on."""
    tokens = (token[1:] for token in tokenizer.get_vocab() if token.startswith("Ġ"))
    return sorted(word for word in tokens if len(word) > 2 and word.isascii() and word.isalpha() and word.islower())


def plain(text: str, language: str) -> bool:
    """A short imperative without a name, a politeness or a negation, so that it fits into any carrier."""
    text = _bare(text)
    return (
        len(text) <= _LONGEST[language]
        and _IMPERATIVE[language].match(text) is not None
        and _NOT_PLAIN[language].search(text) is None
    )


def _bare(text: str) -> str:
    return text.lower().rstrip("!.。！ ")
