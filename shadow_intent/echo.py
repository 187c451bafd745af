"""A piece of what the robot says, heard by its own microphone: word for word in a sentence it is speaking."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from shadow_intent.plain import lowered
from shadow_intent.speech import speaking_s

RECOGNISED_S = 2.0
"""A recogniser brings what it heard within so long, seconds."""
REMEMBERED = 8
"""Replies, the newest."""
LONGEST = 400
"""Characters of a reply; the rest is not compared."""
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Said:
    """A reply, and when it is spoken, seconds."""

    text: str
    from_s: float
    ends_s: float

    def heard_at(self, at_s: float, after_s: float) -> bool:
        """Whether it is what is heard, until `after_s` after its end."""
        return self.from_s <= at_s <= self.ends_s + after_s


class Echo:
    """What the robot said last."""

    def __init__(self) -> None:
        self._replies: deque[Said] = deque(maxlen=REMEMBERED)

    def said(self, text: str, at_s: float) -> None:
        """The robot begins to say `text` at `at_s`, seconds. One that grows while it is written is one reply."""
        text = text[:LONGEST]
        grows = bool(self._replies) and text.startswith(self._replies[-1].text)
        from_s = self._replies.pop().from_s if grows else at_s
        self._replies.append(Said(text, from_s, at_s + speaking_s(text)))

    def repeats(self, text: str, at_s: float, after_s: float) -> bool:
        """Whether an utterance is a piece of a reply. Linear in its length.

        `at_s`: when it ended, by the same clock; `after_s`: so long after the reply, seconds.
        """
        piece = _words(text)
        replies = [_words(reply.text) for reply in self._replies if reply.heard_at(at_s, after_s)]
        return bool(piece.strip()) and any(piece in reply for reply in replies)


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(lowered(text)))} "
