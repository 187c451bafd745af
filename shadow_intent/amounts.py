"""How much and of what: numbers with their fractions ("two and a half", "三分之二") and the units behind them."""

from __future__ import annotations

import math

from shadow_intent import units
from shadow_intent.quantity import Words


def _share(word: str) -> float | None:
    return units.FRACTIONS.get(word) or units.RARE_FRACTIONS.get(word)


def _shared(value: float, said: str, share: float, name: str) -> float:
    """ "Three quarters"; the number before it may have swallowed the whole: "twenty and | three quarters"."""
    if " and " in said and value % 10:
        return value - value % 10 + value % 10 * share
    ordinal = value >= 20 and name in units.RARE_FRACTIONS and not name.endswith("s")  # "twenty fourth"
    return math.nan if ordinal else value * share


class Amounts(Words):
    """The tokens of one utterance, with the amounts and units that begin at any of them."""

    def _amount(self, i: int) -> tuple[float, int] | None:
        """A number with its fraction ("two and a half", "three quarters", "half"), and where it ends."""
        value = self.value(i)
        if value is None:
            return self._amount_in_words(i)
        following = self.word(i + 1)
        share = _share(following)
        if share and following != "半":
            return _shared(value, self.word(i), share, following), i + 2
        added = self._added(i + 1)
        if added:
            value, end = value + added[0], added[1]
            scale = self.value(end) if self.word(end) in ("hundred", "thousand") else None
            return (value, end) if scale is None else (value * scale, end + 1)
        return (value * 12, i + 2) if following == "dozen" else (value, i + 1)

    def _amount_in_words(self, i: int) -> tuple[float, int] | None:
        """ "a couple of", "half", "a third of", "half a dozen", and what a recogniser wrote for a number."""
        word, following = self.word(i), self.word(i + 1)
        if word in units.GROUPS:
            return units.GROUPS[word], i + 2 if following == "of" else i + 1
        plural = following.endswith("s") or following == "feet" or not following.isascii()
        pair = word in ("俩", "仨") and (self._gesture(i + 1) or self.word(i + 1) in units.MEASURES)
        if word in units.HOMOPHONES and plural and (pair or self._unit(i + 1)):
            return units.HOMOPHONES[word], i + 1
        if word in units.HALVED and self.word(i - 1) in ("a", "an") and self._unit(i + 1):
            return units.RARE_FRACTIONS[word], i + 1  # "an eighth turn"; "a third turn" is one after two others
        if word in units.RARE_FRACTIONS and following == "of":
            named = self.word(i - 1) in ("a", "an") or self._unit(self._skip(i + 2, articles=True))  # no date
            compound = self.word(i - 1) in units.TENS  # "a twenty fourth of"
            return (math.nan if compound else units.RARE_FRACTIONS[word], i + 1) if named else None
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
        count = self.value(i + 1)
        if count is not None and ("分之" in self.word(i + 1) or "/" in self.word(i + 1)):
            return count, i + 2
        counted = count is not None or self.word(i + 1) in ("a", "an")
        i += 2 if counted else 1
        share = _share(self.word(i)) if counted else units.FRACTIONS.get(self.word(i))
        return ((1.0 if count is None else count) * share, i + 1) if share else None

    def _skip(self, i: int, articles: bool = False) -> int:
        """Past "of", adjectives, measure words and, after a fraction, articles."""
        while self.word(i) == "of" or self.word(i) in units.ADJECTIVES or (articles and self.word(i) in units.ARTICLES):
            i += 1
        return i

    def _unit(self, i: int) -> tuple[str, float, int] | None:
        """Kind, factor and end of the longest unit at `i`."""
        word, following = self.word(i), self.word(i + 1)
        if 1 < len(word) < len(following) and following.startswith(word) and following in units.UNITS and word != "in":
            return self._unit(i + 1)  # stammered: "two me metres"
        if word not in units.UNIT_HEADS:
            return None
        if len(word) == 1 and word.isascii() and self.value(i - 1) is None and self.word(i - 1) not in units.SHARES:
            return None  # "一个s型造型"
        if word == "分" and (self.value(i + 1) is not None or self.word(i + 1) == "半"):
            return "s", 60.0, i + 1  # "一分三十秒"; "一百分" is a mark
        if (word == "in" and self.value(i - 1) is None) or (word == "下" and self.word(i - 1) == "个"):
            return None  # "like a crab in a bucket", "一个下犬式"
        space = " " if word.isascii() else ""
        for n in range(min(3, len(self.tokens) - i), 0, -1):
            unit = units.UNITS.get(space.join(self.word(i + k) for k in range(n)))
            if unit:
                return *unit, i + n
        return None

    def _gesture(self, i: int) -> bool:
        return any("".join(self.word(i + k) for k in range(n)) in units.GESTURE_NOUNS for n in (1, 2, 3))
