"""Distances, angles, durations, counts and speeds named in an utterance, English and Chinese.

Of each slot that a label may carry the last quantity wins, because people correct themselves forwards ("two metres, no,
three"). "A few steps" and "几步" name no quantity: the slot stays absent and the skill's default holds, as
config/skills.yaml gives it; for "a bit" and "一点" its smaller one (`Slots.little`). What was said but cannot be used
(a range, a negative, endless or impossible quantity, a unit behind what is no number) is `Unclear`: the robot says so
and does nothing. A default never stands in for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shadow_intent import units
from shadow_intent.intent import MAX_UTTERANCE_CHARS, NO_SLOTS, Slots
from shadow_intent.quantities import Reader
from shadow_intent.quantity import Quantity
from shadow_intent.speech import sentence

_MOVES = frozenset(["move_forward", "move_backward", "move_left", "move_right"])
_TURNS = frozenset(["turn_left", "turn_right", "turn_around"])
_SPEED_CHANGES = frozenset(["speed_up", "slow_down"])
_GESTURES = frozenset(["hello", "stretch", "content", "dance", "pose", "bow", "heart", "wiggle_hips", "roll_over"])
_ATHLETICS = frozenset(["jump", "pounce", "front_flip", "back_flip", "hand_stand", "walk_upright"])
_REPEATED = _GESTURES | _ATHLETICS | {"spin"}
_SCALED = _MOVES | {"turn_left", "turn_right"}
CARRIERS = _MOVES | _TURNS | _SPEED_CHANGES | _REPEATED
"""Labels that may carry quantities."""

_SMALLEST_BARE_ANGLE = 5.0  # degrees; a bare number below is a count or a name ("turn left one")
_LARGEST_BARE_COUNT = 20.0  # steps or repetitions; a bare number above is something else
_FULL_TURN = re.compile(
    r"\b(?:full|complete|whole|entire) (?:turn|circle|rotation|revolution|spin|loop|one)\b|\ball the way a?round\b|整圈"
)
_ABOUT = re.compile(r"[左右][边面]?[掉调]个?头")  # with a direction it is a turn of 180 degrees
_HAN_GAP = re.compile(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])")  # tokens of Chinese text, joined with spaces
_Found = list[tuple[float, Quantity]]
"""Candidates for one slot, in its unit, each with where it came from; the last one counts."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A quantity that was said but cannot be carried out as said."""

    key: str
    """Of speech.SENTENCES."""
    values: Mapping[str, str]
    """What the sentence is filled in with."""

    def text(self, language: str) -> str:
        """The sentence, in "en" or "zh"."""
        return sentence(self.key, language, **self.values)


def parse(text: str, label: str) -> Slots:
    """The slots that `label` may carry and `text`, any string, names. Never raises.

    Posture, device and dialogue labels carry none; nor does a text longer than `MAX_UTTERANCE_CHARS`.
    """
    return read(text, label)[0]


def read(text: str, label: str) -> tuple[Slots, Unclear | None]:
    """The same, and the first thing about them that is unclear."""
    if label not in CARRIERS or len(text) > MAX_UTTERANCE_CHARS:
        return NO_SLOTS, None
    said = Reader(text)
    plain = _HAN_GAP.sub("", " ".join(token.text for token in said.tokens))
    values: dict[str, Any] = {"speed": _speed(plain, label)}
    unclear, understood = None, 0
    for name, kind, found in _candidates(said, label):
        if found:
            value, quantity = found[-1]
            unclear = unclear or _unclear(value, quantity, kind)
            values[name] = _bounded(value, kind)
            understood = max(understood, quantity.end)
    if unclear is None and (said.unread(_kinds(label), understood) or _unitless(said, label, values)):
        unclear = Unclear("no_number", {})
    if unclear is not None:
        return Slots(speed=values["speed"]), unclear
    if values.get("count") is not None:
        values["count"] = int(values["count"])
    little = label in _SCALED and bool(units.LITTLE.search(plain))
    quantified = any(values.get(name) is not None for name in ("distance_m", "angle_deg", "duration_s"))
    return Slots(**values, little=little and not quantified), None


def _candidates(said: Reader, label: str) -> list[tuple[str, str, _Found]]:
    """Slot, kind of its limits, and what was said for it."""
    angles = _angles(said, label) if label in _TURNS else []
    counts = _counts(said, label) if label in _REPEATED else []
    if label == "spin" and counts and not counts[-1][0].is_integer():
        angles, counts = [(counts[-1][0] * 360.0, counts[-1][1])], []  # "one and a half turns"
    seconds = [(q.value, q) for q in said.quantities if q.kind == "s"]
    return [
        ("distance_m", "m", _distances(said, label)),
        ("angle_deg", "deg", angles),
        ("duration_s", "s", seconds),
        ("count", "times", counts),
    ]


def _bounded(value: float, kind: str) -> float | None:
    """The value when it lies within the limits of its kind; twelve digits keep 0.1 + 0.2 out of logs."""
    low, high = units.LIMITS[kind]
    whole = kind != "times" or value.is_integer()
    return float(f"{value:.12g}") if low <= value <= high and whole else None


def _unclear(value: float, q: Quantity, kind: str) -> Unclear | None:
    """Why a quantity cannot be carried out; None for a good one, and for what is not surely a quantity."""
    unit = f" {q.unit}" if q.unit and q.unit.isascii() else q.unit
    if q.between is not None:
        low, high = q.between
        return Unclear("range", {"low": f"{low:g}", "high": f"{high:g}", "unit": unit})
    if math.isinf(value):
        return Unclear("endless", {})
    if not q.definite or (math.isnan(value) and q.kind not in ("noun", "bare")):
        return Unclear("no_number", {})
    if math.isnan(value) or q.kind in ("noun", "bare") or _bounded(value, kind) is not None:
        return None
    return Unclear("impossible", {"amount": f"{q.value / q.factor:g}{unit}"})


def _kinds(label: str) -> frozenset[str]:
    """Of the quantities that say how far the robot moves."""
    if label in _MOVES or label == "walk_upright":
        return frozenset(["m", "step", "s"])
    return frozenset(["deg", "turn", "s"] if label in _TURNS or label == "spin" else ())


def _distances(read: Reader, label: str) -> _Found:
    """Metres. For a move a bare number ("back, two") and repetitions of a step are steps; "two feet" are also legs."""
    if label == "walk_upright":
        legs = ("feet", "foot", "foots")
        return [(q.value, q) for q in read.quantities if q.kind in ("m", "step") and q.unit not in legs]
    if label not in _MOVES:
        return []
    stepping = any(t.text in units.STEPS for t in read.tokens)
    found = []
    for q in read.quantities:
        if q.kind in ("m", "step"):
            found.append((q.value, q))
        elif q.kind == "bare" and math.isinf(q.value):
            found.append((q.value, q))  # "walk forever"
        elif (q.kind == "times" and stepping) or _counts_alone(q, read):
            found.append((q.value * units.STEP_M, q))
    return found


def _angles(read: Reader, label: str) -> _Found:
    """Degrees. A bare number is degrees or, with o'clock, a direction; a bare fraction is of a turn."""
    found = []
    for q in read.quantities:
        largest = q.between[1] if q.between else q.value
        if q.kind == "deg":
            found.append((q.value, q))
        elif q.kind == "turn" and q.value >= _SMALLEST_BARE_ANGLE:
            found.append((q.value, q))  # "a one eighty turn"
        elif q.kind in ("turn", "part"):
            found.append((q.value * 360.0, q))
        elif q.kind == "bare" and (read.word(q.end) + read.word(q.end + 1)).startswith(("oclock", "点钟", "点方")):
            clockwise = q.value * 30.0 if q.value <= 12 else math.nan
            found.append((360.0 - clockwise if label == "turn_left" else clockwise, q))
        elif q.kind == "bare" and largest >= _SMALLEST_BARE_ANGLE and not _is_name(q, read):
            found.append((q.value, q))
    denied = any(t.text in units.NEGATORS for t in read.tokens)
    if not found and label != "turn_around" and _fully(read) and not denied:
        found.append((360.0, Quantity(360.0, "deg", 0, 0)))
    if not found and label != "turn_around" and _ABOUT.search("".join(t.text for t in read.tokens)):
        found.append((180.0, Quantity(180.0, "deg", 0, 0)))
    return found


def _counts(read: Reader, label: str) -> _Found:
    """Repetitions, or full turns of a spin. Said times win over nouns ("two jumps") and numbers on their own."""
    said, weak = [], []
    for q in read.quantities:
        if label == "spin" and q.kind in ("deg", "bare", "noun", "turn") and (q.kind == "deg" or q.value >= 180):
            said.append((q.value / 360.0, q))
        elif q.kind == "times" or (q.kind == "turn" and label == "spin"):
            said.append((q.value, q))
        elif q.kind in ("noun", "turn"):
            weak += [(q.value, q)] if q.value.is_integer() and q.value <= _LARGEST_BARE_COUNT else []
        elif _counts_alone(q, read) and (label in ("spin", "jump") or read.word(q.start - 1) == "so"):
            weak = [] if read.counts_in(q.start) else [*weak, (q.value, q)]
    if said or weak:
        return said or weak
    if label == "spin" and _fully(read):
        return [(1.0, Quantity(1.0, "noun", 0, 0))]
    return [(units.MULTIPLES[t.text], Quantity(0.0, "noun", 0, 0)) for t in read.tokens if t.text in units.MULTIPLES]


def _fully(read: Reader) -> bool:
    return any(_FULL_TURN.search(gap.join(t.text for t in read.tokens)) for gap in (" ", ""))


def _unitless(said: Reader, label: str, values: Mapping[str, Any]) -> bool:
    """Whether a move was given a number that cannot be steps, and nothing else ("walk forward a hundred")."""
    if label not in _MOVES or any(values.get(name) is not None for name in ("distance_m", "duration_s")):
        return False
    bare = [q for q in said.quantities if q.kind == "bare" and said.ends(q.end) and not _is_name(q, said)]
    return any(q.value > _LARGEST_BARE_COUNT or not q.value.is_integer() for q in bare if math.isfinite(q.value))


def _is_name(q: Quantity, read: Reader) -> bool:
    return read.word(q.start - 1) in units.NAMERS


def _counts_alone(q: Quantity, read: Reader) -> bool:
    """A small whole bare number that ends its clause: "step back one", "spin, two"."""
    ends = read.ends(q.end) and read.word(q.start).isascii()
    return (
        q.kind == "bare"
        and read.value(q.start - 1) is None
        and ends
        and q.value.is_integer()
        and 1 <= q.value <= _LARGEST_BARE_COUNT
        and not _is_name(q, read)
    )


def _speed(text: str, label: str) -> str | None:
    """The last speed word. A label that changes the speed is the change itself, whatever words said it."""
    if label in _SPEED_CHANGES:
        return None
    fast = units.BRISK if label in _GESTURES | _ATHLETICS else units.FAST
    patterns = {"slow": units.SLOW, "fast": fast, "normal": units.NORMAL}
    said = [
        (m.end(), len(m.group()), speed)  # "not too slow" ends where "slow" does
        for speed, pattern in patterns.items()
        for m in pattern.finditer(text)
    ]
    return max(said)[2] if said else None
