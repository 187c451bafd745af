"""Numbers with what they count, in the order they are said: "two and a half metres", "half a turn", "一米五"."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shadow_intent import units
from shadow_intent.numbers import BREAK, Token, tokenize

_LONGEST_CORRECTION = 4  # words between a quantity and the bare number that corrects it
_SUMMED: tuple[list[str], ...] = ([], ["and"], ["零"], ["又"])  # between the parts of "one minute thirty seconds"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number with what it counts."""

    value: float
    """In the unit of `kind`; NaN when it cannot be meant: a range, a negative."""
    kind: str
    """m, step (also metres), deg, turn, s, times, noun (times of something), part (a fraction of nothing) or bare."""
    start: int
    """Index of its first token."""
    end: int
    """Index after its last token."""
    factor: float = 1.0
    """Of its unit, for a correction that leaves the unit out."""


class Reader:
    """The tokens of one utterance, and the quantities read from them."""

    def __init__(self, text: str) -> None:
        self.tokens: list[Token] = tokenize(text)
        self.quantities: list[Quantity] = []
        i = 0
        while i < len(self.tokens):
            found = self._quantity(i)
            if found and not self._refused(found):
                self._append(replace(found, value=math.nan) if self._vague(found) else found)
            i = found.end if found else i + 1

    def word(self, i: int) -> str:
        """The token at `i` as text, "" outside the utterance."""
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def _value(self, i: int) -> float | None:
        return self.tokens[i].value if i < len(self.tokens) else None

    def _append(self, q: Quantity) -> None:
        """Sums compounds, and gives a correction without a unit the unit it corrects."""
        last = self.quantities[-1] if self.quantities else None
        if last:
            between = [self.word(i) for i in range(last.end, q.start)]
            near = len(between) - between.count(BREAK) <= _LONGEST_CORRECTION
            if q.kind == "bare" and near and last.kind not in ("bare", "part", "noun"):
                if units.MARKERS.search(" ".join(between)):
                    q = replace(q, kind=last.kind, value=q.value * last.factor, factor=last.factor)
            elif q.kind == last.kind in ("m", "s") and q.factor < last.factor and between in _SUMMED:
                q = replace(q, value=last.value + q.value, start=last.start)
                self.quantities.pop()
        self.quantities.append(q)

    def _refused(self, q: Quantity) -> bool:
        """Negated ("not two metres"), ordinal ("第二步"), one by one, a rate ("per second", "每秒") or past."""
        before, after = self.word(q.start - 2) + self.word(q.start - 1), self.word(q.end)
        n = q.end - q.start
        said, again = self.tokens[q.start : q.end], self.tokens[q.end : q.end + n]
        said_before = self.tokens[q.start - n : q.start] if q.start >= n else []
        at_a_time = after == "at" and self.word(q.end + 1) == "a"
        one_by_one = q.kind == "step" and (at_a_time or said in (again, said_before))
        past = q.kind == "s" and (after == "了" or any(t.text == "been" for t in self.tokens[: q.start]))
        rate = after in ("/", "per", "每", "ago", "already")
        return (
            before.endswith(("not", "不是", "第", "每", "每秒", "ratherthan", "insteadof"))
            or one_by_one
            or past
            or rate
        )

    def _vague(self, q: Quantity) -> bool:
        """Negative, or of an unsure size ("几十步")."""
        before = self.word(q.start - 1)
        if before in ("-", "\u2212", "minus", "negative", "负"):
            return self.word(q.start - 2) not in units.AXES
        return before in ("几", "数")

    def _quantity(self, start: int) -> Quantity | None:
        """The quantity whose words begin at `start`."""
        whole = self._whole(start)
        if whole:
            return whole
        if self.word(start) == "一" and self.word(start + 1) in units.IDIOMS:
            measured = self.word(start + 1) == "个" and (self.word(start + 2) == "半" or self._unit(start + 2))
            if not measured:
                return None
        amount = self._amount(start)
        if amount is None:
            return self._indefinite(start)
        value, i = self._ranged(start, *amount)
        fraction = not value.is_integer() or self.word(start) in units.FRACTIONS
        at = self._skip(i, articles=fraction)
        if self.word(at) == "半" and self._unit(at + 1):
            value, at = value + 0.5, at + 1  # "一个半小时"
        unit = self._unit(at)
        if unit is None:
            return self._uncounted(start, i, value, fraction)
        kind, factor, end = unit
        value, end = self._remainder(value, end)
        return Quantity(value * factor, kind, start, end, factor)

    def _whole(self, start: int) -> Quantity | None:
        """Words that need no number: "twice", "a right angle"."""
        word = self.word(start)
        if word in units.ADVERBS and self.word(start - 1) not in ("for", "at"):
            return Quantity(units.ADVERBS[word], "times", start, start + 1)
        for n in (2, 1):
            named = units.WHOLE.get((" " if word.isascii() else "").join(self.word(start + k) for k in range(n)))
            if named:
                return Quantity(named[1], named[0], start, start + n, named[1])
        return None

    def _ranged(self, start: int, value: float, end: int) -> tuple[float, int]:
        """NaN for "two to three", "between two and three" and "十几", with the end of the whole."""
        between = self.word(start - 1) == "between" and self.word(end) == "and"
        if between or self.word(end) in units.RANGES:
            other = self._amount(end + 1)
            if other and self._unit(self._skip(other[1])):
                return math.nan, other[1]
        return (math.nan, end + 1) if self.word(end) in units.VAGUE and self._unit(end + 1) else (value, end)

    def _amount(self, i: int) -> tuple[float, int] | None:
        """A number with its fraction ("two and a half", "three quarters", "half"), and where it ends."""
        value = self._value(i)
        if value is None:
            return self._amount_in_words(i)
        following = self.word(i + 1)
        share = units.FRACTIONS.get(following) or units.RARE_FRACTIONS.get(following)
        if share and following != "半":
            return value * share, i + 2
        added = self._added(i + 1)
        if added:
            return value + added[0], added[1]
        return (value * 12, i + 2) if following == "dozen" else (value, i + 1)

    def _amount_in_words(self, i: int) -> tuple[float, int] | None:
        """ "a couple of", "half", "a third of", "half a dozen", and what a recogniser wrote for a number."""
        word, following = self.word(i), self.word(i + 1)
        if word in units.GROUPS:
            return units.GROUPS[word], i + 2 if following == "of" else i + 1
        plural = following.endswith("s") or following == "feet" or not following.isascii()
        if word in units.HOMOPHONES and plural and self._unit(i + 1):
            return units.HOMOPHONES[word], i + 1
        if word in units.RARE_FRACTIONS and following == "of":
            return units.RARE_FRACTIONS[word], i + 1
        if word not in units.FRACTIONS:
            return None
        dozen = i + 2 if following == "a" else i + 1
        return (
            (units.FRACTIONS[word] * 12, dozen + 1) if self.word(dozen) == "dozen" else (units.FRACTIONS[word], i + 1)
        )

    def _added(self, i: int) -> tuple[float, int] | None:
        """What "and a half", "and three quarters" or "又二分之一" at `i` adds, and where it ends."""
        if self.word(i) not in ("and", "n", "又"):
            return None
        count = self._value(i + 1)
        if count is not None and ("分之" in self.word(i + 1) or "/" in self.word(i + 1)):
            return count, i + 2
        i += 2 if count is not None or self.word(i + 1) in ("a", "an") else 1
        share = units.FRACTIONS.get(self.word(i))
        return ((1.0 if count is None else count) * share, i + 1) if share else None

    def _remainder(self, value: float, end: int) -> tuple[float, int]:
        """With what follows the unit: "a metre and a half", "两米半", "一米五" (1.5)."""
        added = self._added(end)
        if added and not self._unit(added[1]):
            return value + added[0], added[1]
        if self.word(end) == "半" and not self._unit(end + 1):
            return value + 0.5, end + 1
        if self.word(end - 1) in ("米", "尺") and not self.word(end).isascii() and not self._unit(end + 1):
            token = self.tokens[end]
            if token.spelled and token.value is not None:
                return value + token.value / 10**token.spelled, end + 1
        return value, end

    def _indefinite(self, start: int) -> Quantity | None:
        """One of a unit without a number: "a metre", "another step", "tiny step", "for a second"."""
        if self.word(start) not in units.ARTICLES | units.SIZES:
            return None
        at = self._skip(start + 1)
        kind, factor, end = self._unit(at) or ("", 0.0, at)
        before = self.word(start - 1)
        gait = self.word(end - 1) in ("pace", "stride") and (at > start + 1 or before == "at")  # "at a slow pace"
        if kind not in ("m", "step", "s") or (kind == "s" and before != "for") or gait:
            return None
        value, end = self._remainder(1.0, end)
        return Quantity(value * factor, kind, start, end, factor)

    def _uncounted(self, start: int, end: int, value: float, fraction: bool) -> Quantity:
        """A number without a unit: repetitions of a thing named soon after it, a fraction, or bare."""
        if fraction:
            return Quantity(value, "part" if value < 1 else "bare", start, end)
        counting_in = start > 0 and self._value(start - 1) is not None  # "one, two, three, jump"
        if counting_in or self.word(end) == "of" or self.word(start) == "一":  # "one of your jumps"; 一 as an article
            return Quantity(value, "bare", start, end)
        for at in range(end, end + (3 if self.word(start).isascii() else 6)):
            if self.word(at) in ("", BREAK) or self._value(at) is not None:
                break
            if any("".join(self.word(at + k) for k in range(n)) in units.GESTURE_NOUNS for n in (1, 2, 3)):
                return Quantity(value, "noun", start, at + 1)
        echoed = self.word(start - 1) == self.word(end) and not self.word(end).isascii()  # "拜三拜"
        if echoed or (self.word(end) == "个" and self.word(end + 1) in ("", BREAK)):
            return Quantity(value, "noun", start, end + 1)
        return Quantity(value, "bare", start, end)

    def _skip(self, i: int, articles: bool = False) -> int:
        """Past "of", adjectives, measure words and, after a fraction, articles."""
        while self.word(i) == "of" or self.word(i) in units.ADJECTIVES or (articles and self.word(i) in units.ARTICLES):
            i += 1
        return i

    def _unit(self, i: int) -> tuple[str, float, int] | None:
        """Kind, factor and end of the longest unit at `i`."""
        space = " " if self.word(i).isascii() else ""
        for n in (3, 2, 1):
            unit = units.UNITS.get(space.join(self.word(i + k) for k in range(n)))
            if unit:
                return *unit, i + n
        return None
