"""Numbers with what they count, in the order they are said: "two and a half metres", "half a turn", "一米五"."""

from __future__ import annotations

import math
from dataclasses import replace

from shadow_intent import units
from shadow_intent.amounts import Amounts
from shadow_intent.numbers import BREAK
from shadow_intent.quantity import Quantity

_LONGEST_CORRECTION = 4  # words between a quantity and the bare number that corrects it
_SUMMED: tuple[list[str], ...] = ([], ["and"], ["零"], ["又"])  # between the parts of "one minute thirty seconds"


class Reader(Amounts):
    """The tokens of one utterance, and the quantities read from them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.quantities: list[Quantity] = []
        i = 0
        while i < len(self.tokens):
            found = self._quantity(i)
            if found and (self._corrects(found) or not self.dismissed(found)):
                self._append(self._signed(found))
            i = found.end if found else i + 1

    def uncounted(self) -> list[str]:
        """The words that are no part of a quantity, without breaks."""
        counted = {i for q in self.quantities for i in range(q.start, q.end)}
        return [word for i, word in enumerate(self._words) if i not in counted and word != BREAK]

    def unread(self, kinds: frozenset[str], start: int) -> bool:
        """Whether from token `start` on a unit of one of the kinds stands behind what is no number that one knows."""
        read = {i for q in self.quantities for i in range(q.start, q.end)}
        for i in range(max(start, 1), len(self.tokens)):
            unit, before, k = self._unit(i), self.word(i - 1), i - 1
            if unit is None or unit[0] not in kinds or i in read or self.value(i - 1) is not None:
                continue
            word = "".join(self.word(j) for j in range(i, unit[2]))
            while self.word(k) in units.ADJECTIVES:
                k -= 1
            if word in units.PLAIN_UNITS and self.word(k) not in units.NO_AMOUNT | {"", BREAK}:
                return True
            foreign = before.isascii() and before.isalnum()
            if word in units.HAN_UNITS and (foreign or self.word(i - 2) + before in units.MANY):
                return True
        return False

    def _corrects(self, q: Quantity) -> bool:
        """ "两步，不，三步": instead of the last one, with nothing but a no between."""
        i = q.start
        while self.word(i - 1) in ("不", BREAK):
            i -= 1
        last = self.quantities[-1] if self.quantities else None
        return last is not None and last.end == i and q.kind in (last.kind, "bare") and "不" in self._words[i : q.start]

    def _append(self, q: Quantity) -> None:
        """Sums compounds, and gives a correction without a unit the unit it corrects."""
        last = self.quantities[-1] if self.quantities else None
        if last:
            between = [self.word(i) for i in range(last.end, q.start)]
            near = len(between) - between.count(BREAK) <= _LONGEST_CORRECTION
            if q.kind == "bare" and near and self.ends(q.end) and last.kind not in ("bare", "part", "noun"):
                if units.MARKERS.search(" ".join(between)):
                    q = replace(q, kind=last.kind, value=q.value * last.factor, factor=last.factor)
            elif q.kind == last.kind in ("m", "s") and q.factor < last.factor and between in _SUMMED:
                q = replace(q, value=last.value + q.value, start=last.start)
                self.quantities.pop()
        self.quantities.append(q)

    def _signed(self, q: Quantity) -> Quantity:
        """With the minus before it, or marked as of an unsure size ("几十步")."""
        before = self.word(q.start - 1)
        if before in ("-", "\u2212", "minus", "negative", "负") and self.word(q.start - 2) not in units.AXES:
            return replace(q, value=-q.value)
        return replace(q, value=math.nan, definite=False) if before in ("几", "数") else q

    def _quantity(self, start: int) -> Quantity | None:
        """The quantity whose words begin at `start`."""
        whole = self._whole(start)
        if whole:
            return whole
        if self.word(start) == "一" and self.word(start + 1) in units.IDIOMS:
            measured = self.word(start + 1) == "个" and (self.word(start + 2) == "半" or self._unit(start + 2))
            if not measured and self.word(start + 1) + self.word(start + 2) != "点钟":
                return None
        if self.word(start) == "one" and self.word(start - 1) in units.POINTING:
            return None
        if self.word(start) in ("five", "5") and self.word(start - 1) == "high":
            return None
        amount = self._amount(start)
        if amount is None:
            return self._indefinite(start)
        ranged = self._ranged(start, *amount) or self._run_on(start, amount[1])
        value, i = amount if ranged is None else (math.nan, ranged.end)
        first, last = self.word(start), self.word(i - 1)
        if (self.word(i), self.word(i + 1)) == ("or", "so"):
            i += 2
        fraction = not value.is_integer() or first in units.SHARES or last in units.SHARES or "/" in last
        at = self._skip(i, articles=fraction)
        if self.word(at) == "半" and self._unit(at + 1):
            if at > i:
                value += 0.5  # "一个半小时"
            elif self.word(start) == "一" and i == start + 1:
                value = 0.5  # "一半米"
            else:
                ranged = Quantity(math.nan, "bare", start, at, definite=False)  # "两半米"
            at += 1
        unit = self._unit(at) or self._strides(at)
        if unit is None:
            return ranged or self._uncounted(start, i, value, fraction)
        kind, factor, end = unit
        said = (" " if self.word(at).isascii() else "").join(self.word(k) for k in range(at, end))
        value, end = self._over(*self._remainder(value, end))
        if ranged is None:
            ranged = self._ranged_after(start, value, at, end)
        if ranged is not None:
            return replace(ranged, kind=kind, end=max(end, ranged.end), factor=factor, unit=said)
        return Quantity(value * factor, kind, start, end, factor, said)

    def _strides(self, i: int) -> tuple[str, float, int] | None:
        """Steps with an adjective nobody thought of: "two fairy steps"."""
        word = self.word(i)
        known = (
            not word.isascii() or word in units.GESTURE_NOUNS | units.LIMBS | units.ENDS or self.value(i) is not None
        )
        return self._unit(i + 1) if not known and self.word(i + 1) in ("steps", "paces", "strides") else None

    def _whole(self, start: int) -> Quantity | None:
        """Words that need no number: "twice", "a right angle"."""
        word = self.word(start)
        if word in units.ADVERBS and self.word(start - 1) not in ("for", "at"):
            return Quantity(units.ADVERBS[word], "times", start, start + 1)
        for n in (2, 1) if word in units.WHOLE_HEADS else ():
            named = units.WHOLE.get((" " if word.isascii() else "").join(self.word(start + k) for k in range(n)))
            if named:
                value, end = self._over(named[1], start + n)
                more, end = self._added(end) or (0.0, end)  # "a right angle and a half"
                return Quantity(value + more * named[1], named[0], start, end, named[1])
        return None

    def _over(self, value: float, end: int) -> tuple[float, int]:
        """Behind pi, with its divisor and its unit: "two pi over three radians", "派除以四弧度"."""
        if self.word(end - 1) not in ("pi", "派"):
            return value, end
        divisor = self.value(end + 1) if self.word(end) == "over" else None
        value, end = (value / divisor, end + 2) if divisor else (value, end)
        unit = self._unit(end)
        return value, unit[2] if unit and unit[1] == units.UNITS["radians"][1] else end

    def _ranged(self, start: int, value: float, end: int) -> Quantity | None:
        """No single number before a unit: "two to three", "between two and three", "两三", "十几"."""
        unclear = Quantity(math.nan, "bare", start, end, between=self.tokens[start].between, definite=False)
        if unclear.between is not None:
            return unclear
        other = self._other(end, "and" if self.word(start - 1) == "between" else "")
        if other and (self._unit(self._skip(other[1])) or self.ends(other[1])):
            return replace(unclear, end=other[1], between=(value, other[0]))
        if self.word(end) in units.VAGUE and self._unit(end + 1):
            return replace(unclear, end=end + 1)
        return None

    def _run_on(self, start: int, end: int) -> Quantity | None:
        """No single number behind another one: "4 5 degrees", "thirty 5 cm", "twenty point 5 metres"."""
        point = self.word(start - 1) in ("point", "comma", "dot", "点")
        before = start - 2 if point else start - 1
        counting = self.value(start - 1) == 2 and self.value(start - 2) == 1  # "1 2 3 步"
        passed = counting or self.word(start) == "半"  # "一半"
        behind = before >= 0 and self.value(before) is not None
        lone = point and self.word(start - 1) != "comma" and self.tokens[start].spelled > 0
        if passed or not (behind or lone) or not self._unit(self._skip(end)):
            return None
        return Quantity(math.nan, "bare", start, end, definite=False)

    def _ranged_after(self, start: int, value: float, at: int, end: int) -> Quantity | None:
        """No single number after a unit: "two metres to three metres", "a step or two"."""
        other = self._other(end)
        if other is None:
            return None
        again = self._unit(self._skip(other[1]))
        alone = self.ends(other[1]) or self.word(end) in ("or", "或")  # "a foot or two forward"
        if again[:2] == (self._unit(at) or ())[:2] if again else alone:
            end = again[2] if again else other[1]
            return Quantity(math.nan, "bare", start, end, between=(value, other[0]), definite=False)
        return None

    def _other(self, i: int, joint: str = "") -> tuple[float, int] | None:
        """The second number of a range whose joint ("to", "or maybe") is at `i`, and where it ends."""
        if self.word(i) not in units.RANGES and not (joint and self.word(i) == joint):
            return None
        return self._amount(i + 2 if self.word(i + 1) in units.HEDGES else i + 1)

    def _remainder(self, value: float, end: int) -> tuple[float, int]:
        """With what follows the unit: "a metre and a half", "两米半", "一米五" (1.5)."""
        added = self._added(end)
        if added and not self._unit(self._skip(added[1], articles=True)):  # "a second and half a metre"
            return value + added[0], added[1]
        if self.word(end) == "半" and not self._unit(end + 1):
            return value + 0.5, end + 1
        if "分之" in self.word(end) and not self._unit(end + 1):
            return value + (self.value(end) or math.nan), end + 1  # "一米三分之二"
        hundredths = self.value(end)
        ends = self.ends(end + 1) or self.word(end + 1) == "at"
        if self.word(end - 1) in units.METRES and hundredths and 10 <= hundredths < 100 and ends:
            return value + hundredths / 100, end + 1  # "two metres fifty", "一米五十"
        if self.word(end - 1) in units.FEET and hundredths and hundredths < 12 and self.ends(end + 1):
            return value + hundredths / 12, end + 1  # "five foot six"
        if self.word(end - 1) in ("米", "尺") and hundredths is not None and not self._unit(end + 1):
            token = self.tokens[end]
            if token.spelled and token.value is not None and (not token.text.isascii() or self.ends(end + 1)):
                return value + token.value / 10**token.spelled, end + 1
        return value, end

    def _indefinite(self, start: int) -> Quantity | None:
        """One of a unit without a number: "a metre", "another step", "tiny step", "for a second"."""
        if self.word(start) not in units.ARTICLES | units.SIZES | {"next"}:
            return None
        at = self._skip(start + 1)
        kind, factor, end = self._unit(at) or ("", 0.0, at)
        before, last = self.word(start - 1), self.word(end - 1)
        gait = last in ("pace", "stride") and (at > start + 1 or before == "at")  # "at a slow pace"
        said = (" " if self.word(at).isascii() else "").join(self.word(k) for k in range(at, end))
        value, end = self._remainder(1.0, end)
        measured = value > 1  # "for a second and a half"
        lasting = measured or (before == "for" and last not in ("second", "sec")) or self.word(start) == "next"
        named = kind in ("m", "step") or (kind == "s" and lasting) or (kind == "turn" and measured)
        if not named or gait:
            return None
        ranged = self._ranged_after(start, value, at, end)
        if ranged is not None:
            return replace(ranged, kind=kind, factor=factor, unit=said)
        return Quantity(value * factor, kind, start, end, factor, said)

    def _uncounted(self, start: int, end: int, value: float, fraction: bool) -> Quantity:
        """A number without a unit: repetitions of a thing named soon after it, a fraction, or bare."""
        if fraction:
            alone = self.word(start) != "半" or self.ends(end)  # "半张脸"
            return Quantity(value, "part" if value < 1 and alone else "bare", start, end)
        if value > 1 and self.word(end) == "of" and self.word(end + 1) in ("them", "those", "these"):
            return Quantity(value, "noun", start, end + 2)
        counting_in = start > 0 and self.value(start - 1) is not None  # "one, two, three, jump"
        if counting_in or self.word(end) == "of" or self.word(start) == "一":  # "one of your jumps"; 一 as an article
            return Quantity(value, "bare", start, end)
        at = self._thing(start, end)
        if at is not None:
            return Quantity(value, "noun", start, at)
        echoed = self.word(start - 1) == self.word(end) != "个" and not self.word(end).isascii()  # "拜三拜"
        if echoed or (self.word(end) == "个" and self.ends(end + 1)):
            return Quantity(value, "noun", start, end + 1)
        return Quantity(value, "bare", start, end)

    def _thing(self, start: int, end: int) -> int | None:
        """The end of the gesture that is counted, soon after a number that ends at `end`."""
        if self.word(start).isascii():
            for at in range(end, end + 3):
                if self.word(at) in ("", BREAK) or self.value(at) is not None or self.word(at) in units.LIMBS:
                    return None
                if self._gesture(at):
                    return at + 1
                if self.word(at) in ("step", "steps", "paces", "strides"):
                    return None
            return None
        at = end
        while self.word(at) in units.MEASURES and at < end + 6 and not self._gesture(at):
            at += 1
        return at + 1 if self._gesture(at) else None
