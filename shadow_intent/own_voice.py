"""The robot's own voice: a microphone hears the loudspeaker, and what the robot says must neither move nor answer it.

    robot:   Did you mean walk forward 2 metres? Say yes or no.
    heard:   did you mean walk forward two metres say yes or no    its own words
    heard:   yes walk forward two metres                           a person, who repeats the command

What is mostly a reply's, word after word, is the robot's own. An order that leaves out a part of the sentence is a
person's.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from shadow_intent.clarify import unled
from shadow_intent.clauses import are_orders
from shadow_intent.intent import is_chinese
from shadow_intent.plain import plain
from shadow_intent.quantities import Reader
from shadow_intent.speech import SPEAKING_S

ECHO_S = 10.0
"""Until so long after a reply was spoken it may be what is heard, seconds."""
LEAST, LEAST_HAN = 4, 6
"""Words, or Han characters, in common; quantities are left out, because a recogniser writes them in its own way."""
MOST = 0.75
"""Share of the utterance that they are."""
SHARE = 0.5
"""Share of one sentence of the reply that is heard again."""
REMEMBERED = 8
"""Replies, the newest."""
LONGEST = 400
"""Characters of a reply; the rest is not compared."""
_END = re.compile(r"[.!?。！？]+(?!\d)")


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    from_s: float
    until_s: float
    """When it may be heard, seconds."""
    sentences: list[list[str]]


class OwnVoice:
    """What the robot said last."""

    def __init__(self) -> None:
        self._replies: deque[_Reply] = deque(maxlen=REMEMBERED)

    def said(self, text: str, at_s: float) -> None:
        """The robot begins to say `text` at `at_s`, seconds. One that grows while it is written is one reply."""
        text = text[:LONGEST]
        grows = bool(self._replies) and text.startswith(self._replies[-1].text)
        from_s = self._replies.pop().from_s if grows else at_s
        sentences = [words for part in _END.split(text) if (words := _words(part))]
        self._replies.append(_Reply(text, from_s, at_s + SPEAKING_S * len(text) + ECHO_S, sentences))

    def hears(self, text: str, at_s: float) -> bool:
        """Whether an utterance that ended at `at_s`, by the same clock, is the robot's own. Linear in its length."""
        words, least = _words(text), LEAST_HAN if is_chinese(text) else LEAST
        replies = [reply for reply in self._replies if reply.from_s <= at_s <= reply.until_s]
        if len(words) < least or not replies:
            return False
        order = are_orders(unled(text))
        return any(_repeats(words, reply.sentences, max(least, MOST * len(words)), order) for reply in replies)


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
