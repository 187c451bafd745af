"""One number with what it counts, and whether the words around it let it be meant."""

from __future__ import annotations

from dataclasses import dataclass

from shadow_intent import units
from shadow_intent.numbers import BREAK, Token, tokenize

_ONE = ("one", "1")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number with what it counts."""

    value: float
    """In the unit of `kind`; NaN when no single number was said; negative when that was said."""
    kind: str
    """m, step (also metres), deg, turn, s, times, noun (times of something), part (a fraction of nothing) or bare."""
    start: int
    """Index of its first token."""
    end: int
    """Index after its last token."""
    factor: float = 1.0
    """Of its unit, for a correction that leaves the unit out."""
    unit: str = ""
    """The unit as it was said; "" for none."""
    between: tuple[float, float] | None = None
    """Smallest and largest, in that unit, of a range."""
    definite: bool = True
    """False for a size that was left open ("几十步", "a hundred odd")."""


class Words:
    """The tokens of one utterance."""

    def __init__(self, text: str) -> None:
        self.tokens: list[Token] = tokenize(text)
        self._words = [token.text for token in self.tokens]

    def word(self, i: int) -> str:
        """The token at `i` as text, "" outside the utterance."""
        return self._words[i] if 0 <= i < len(self._words) else ""

    def value(self, i: int) -> float | None:
        """The number at `i`, None for a word."""
        return self.tokens[i].value if 0 <= i < len(self.tokens) else None

    def ends(self, i: int) -> bool:
        """Whether nothing more is said about what came before `i`."""
        return self.word(i) in units.ENDS

    def counts_in(self, i: int) -> bool:
        """Whether the number at `i` ends a count before something else: "one, two, three, jump"."""
        before, own = self.value(i - 2), self.value(i)
        counted = self.word(i - 1) == BREAK and before is not None and own is not None and abs(before - own) == 1
        return counted and self.word(i + 2) != ""

    def dismissed(self, q: Quantity) -> bool:
        """Said, but not asked for: negated, numbered, one by one, a rate, past, or of something else."""
        before, after = self.word(q.start - 1), self.word(q.end)
        return (
            self._negated(q)
            or before in ("第", "每")
            or after in ("/", "per", "每", "ago", "already")
            or (self.word(q.start - 2) + before) in ("数到", "倒数", "每秒", "countto", "countingto")
            or (q.kind == "s" and self._passes(q))
            or (q.kind == "times" and self._told(q))
            or (q.kind == "step" and self._walked(q))
            or (q.kind in ("m", "step") and after == "in" and self.word(q.end + 1) == "front")
            or self._numbers_something(q)
        )

    def _negated(self, q: Quantity) -> bool:
        """ "Not two metres", "不用转一圈", "一步都不能少"."""
        i = q.start - 1
        while self.word(i) in units.CARRIERS and q.start - i <= 3:
            i -= 1
        pair = self.word(i - 1) + self.word(i)
        asked = self.word(i - 2) + pair in units.ASKERS
        denied = self.word(q.end) in ("都", "也") and self.word(q.end + 1) in ("不", "别", "没")
        return denied or (not asked and (self.word(i) in units.NEGATORS or pair in units.NEGATORS))

    def _passes(self, q: Quantity) -> bool:
        """A duration that was, or that passes whatever the robot does."""
        past = self.word(q.end) == "了" or any(token.text in units.PASSING for token in self.tokens[: q.start])
        return past or self.word(q.start - 1) in units.AVAILABLE

    def _told(self, q: Quantity) -> bool:
        """How often the speaker has said so: "I told you five times", "说了八遍了"."""
        i = q.start - (2 if self.word(q.start - 1) in ("了", "过", "you", "it", "that") else 1)
        return i < q.start - 1 and self.word(i) in units.TELLING

    def _walked(self, q: Quantity) -> bool:
        """Steps one by one ("step by step", "one step at a time"), and one that lies in the way."""
        n = q.end - q.start
        said, again = self.tokens[q.start : q.end], self.tokens[q.end : q.end + n]
        said_before = self.tokens[q.start - n : q.start] if q.start >= n else []
        at_a_time = self.word(q.end) == "at" and self.word(q.end + 1) == "a"
        lies = self.word(q.start - 1) in ("theres", "mind", "watch") or self.word(q.start - 2) == "there"
        return at_a_time or said in (again, said_before) or (lies and self.value(q.start) is None)

    def _numbers_something(self, q: Quantity) -> bool:
        """ "The one", "one bows", "四周", "头一回": words that look like a number with a unit."""
        before, last = self.word(q.start - 1), self.word(q.end - 1)
        if self.word(q.start) in _ONE and q.kind in ("bare", "noun"):
            pronoun = before in units.PRONOUN_HINTS or (
                before.isalpha() and self.word(q.start - 2) in units.DETERMINERS
            )
            plural = q.kind == "noun" and last.endswith("s")
            if plural or (pronoun and self.word(q.start - 2) != "make"):
                return True
        if before in units.NOT_BEFORE.get(last, ()) or self.word(q.end) in units.NOT_AFTER.get(last, ()):
            return True
        return q.kind == "noun" and (before in units.TITLES or self.word(q.start - 2) + before == "动作")
