"""The robot's own voice: a microphone hears the loudspeaker, and what the robot says must neither move nor answer it.

    robot:   Did you mean walk forward 2 metres? Say yes or no.
    heard:   did you mean walk forward two metres say yes or no    its own words
    heard:   yes walk forward two metres                           a person, who repeats the command

What is mostly a reply's, word after word, is the robot's own. An order that leaves out a part of the sentence is a
person's.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shadow_intent.clarify import unled
from shadow_intent.clauses import are_orders
from shadow_intent.echo import REMEMBERED, Echo, Said
from shadow_intent.intent import is_chinese
from shadow_intent.plain import lowered, plain
from shadow_intent.quantities import Reader

ECHO_S = 10.0
"""Until so long after a reply was spoken it may be what is heard, seconds."""
LEAST, LEAST_HAN = 4, 6
"""Words, or Han characters, in common; quantities are left out, because a recogniser writes them in its own way."""
MOST = 0.75
"""Share of the utterance that they are."""
SHARE = 0.5
"""Share of one sentence of the reply that is heard again."""
_ASKS = re.compile(r"^\W*(what|which|who|where|when|why|how)s?\b|(什么|哪|谁|吗|几|多少|怎么)")
"""Begins or tells a question."""
_END = re.compile(r"[.!?。！？]+(?!\d)")


class OwnVoice(Echo):
    """What the robot said last, also where the recogniser misheard some of it."""

    def hears(self, text: str, at_s: float, short: bool = True) -> bool:
        """Whether an utterance that ended at `at_s`, by the same clock, is the robot's own. Linear in its length.

        `short`: also if it is no more than a short sentence of a reply, such as "Stand clear."
        """
        words, least = _words(text), LEAST_HAN if is_chinese(text) else LEAST
        possible = [reply for reply in self._replies if reply.heard_at(at_s, ECHO_S)]
        replies = [reply.text for reply in possible if not _asks_about(text, reply)]
        if len(words) < least:
            return short and any(words in _sentences(reply) for reply in replies)
        order, enough = are_orders(unled(text)), max(least, MOST * len(words))
        return any(_repeats(words, _sentences(reply), enough, order) for reply in replies)


def _asks_about(text: str, reply: Said) -> bool:
    """Whether it asks for what the reply tells: "what is the capital of France" behind "The capital of France is …"."""
    asked = _ASKS.search(lowered(text))
    return asked is not None and asked.group(asked.lastindex or 0) not in lowered(reply.text)


@lru_cache(maxsize=2 * REMEMBERED)
def _sentences(text: str) -> list[list[str]]:
    return [words for part in _END.split(text) if (words := _words(part))]


def _repeats(words: list[str], sentences: list[list[str]], least: float, order: bool) -> bool:
    if _common(words, [word for sentence in sentences for word in sentence]) < least:
        return False
    shares = [(_common(words, sentence), len(sentence)) for sentence in sentences]
    whole = any(common == size >= LEAST for common, size in shares)
    return whole or (not order and any(common >= SHARE * size for common, size in shares))


def _words(text: str) -> list[str]:
    return Reader(plain(text)).uncounted()


def _common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, with a bit of an integer for each word of `b` (Hyyrö, 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << i
    every = unmatched = (1 << len(b)) - 1
    for word in a:
        found = unmatched & places.get(word, 0)
        unmatched = (unmatched + found | unmatched - found) & every
    return len(b) - unmatched.bit_count()
