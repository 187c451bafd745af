"""Distances, angles, durations, counts and speeds named in an utterance, English and Chinese.

Of each slot that a label may carry the last quantity wins, because people correct themselves forwards ("two metres, no,
three"). One that cannot be meant (zero, negative, a range, beyond `LIMITS`) leaves the slot absent: the skill's default
holds.
"""

from __future__ import annotations

import math
import re

from shadow_intent import units
from shadow_intent.intent import MAX_UTTERANCE_CHARS, NO_SLOTS, Slots
from shadow_intent.numbers import BREAK
from shadow_intent.quantities import Quantity, Reader

_MOVES = frozenset(["move_forward", "move_backward", "move_left", "move_right"])
_TURNS = frozenset(["turn_left", "turn_right", "turn_around"])
_SPEED_CHANGES = frozenset(["speed_up", "slow_down"])
_GESTURES = frozenset(["hello", "stretch", "content", "dance", "pose", "bow", "heart", "wiggle_hips", "roll_over"])
_ATHLETICS = frozenset(["jump", "pounce", "front_flip", "back_flip", "hand_stand", "walk_upright"])
_REPEATED = _GESTURES | _ATHLETICS | {"spin"}
_CARRIERS = _MOVES | _TURNS | _SPEED_CHANGES | _REPEATED

_SMALLEST_BARE_ANGLE = 5.0  # degrees; a bare number below is a count or a name ("turn left one")
_LARGEST_BARE_COUNT = 20.0  # steps or repetitions; a bare number above is something else
_FULL_TURN = re.compile(
    r"\b(?:full|complete|whole|entire) (?:turn|circle|rotation|revolution|spin|loop)\b|\ball the way a?round\b|整圈"
)
_HAN_GAP = re.compile(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])")


def parse(text: str, label: str) -> Slots:
    """The slots that `label` may carry and `text`, any string, names. Never raises.

    Posture, device and dialogue labels carry none; nor does a text longer than `MAX_UTTERANCE_CHARS`.
    """
    if label not in _CARRIERS or len(text) > MAX_UTTERANCE_CHARS:
        return NO_SLOTS
    read = Reader(text)
    count = _bounded(_counts(read, label), "times") if label in _REPEATED else None
    return Slots(
        distance_m=_bounded(_distances(read, label), "m"),
        angle_deg=_bounded(_angles(read, label), "deg") if label in _TURNS else None,
        duration_s=_bounded([q.value for q in read.quantities if q.kind == "s"], "s"),
        count=int(count) if count is not None and count.is_integer() else None,
        speed=_speed(" ".join(t.text for t in read.tokens), label),
    )


def _bounded(values: list[float], kind: str) -> float | None:
    """The last value when it lies within the limits of its kind; twelve digits keep 0.1 + 0.2 out of logs."""
    last = values[-1] if values else math.nan
    low, high = units.LIMITS[kind]
    return float(f"{last:.12g}") if low <= last <= high else None


def _distances(read: Reader, label: str) -> list[float]:
    """Metres. For a move a bare number ("back, two") and repetitions of a step are steps; "two feet" are also legs."""
    if label == "walk_upright":
        return [q.value for q in read.quantities if q.kind in ("m", "step") and read.word(q.end - 1) != "feet"]
    if label not in _MOVES:
        return []
    stepping = any(t.text in ("step", "sidestep", "步") for t in read.tokens)
    values = []
    for q in read.quantities:
        if q.kind in ("m", "step"):
            values.append(q.value)
        elif (q.kind == "times" and stepping) or _counts_alone(q, read):
            values.append(q.value * units.STEP_M)
    return values


def _angles(read: Reader, label: str) -> list[float]:
    """Degrees. A bare number is degrees or, with o'clock, a direction; a bare fraction is of a turn."""
    values = []
    for q in read.quantities:
        if q.kind == "deg":
            values.append(q.value)
        elif q.kind in ("turn", "part"):
            values.append(q.value * 360.0)
        elif q.kind == "bare" and (read.word(q.end) + read.word(q.end + 1)).startswith(("oclock", "点钟", "点方")):
            clockwise = q.value * 30.0 if q.value <= 12 else math.nan
            values.append(360.0 - clockwise if label == "turn_left" else clockwise)
        elif q.kind == "bare" and q.value >= _SMALLEST_BARE_ANGLE and not _is_name(q, read):
            values.append(q.value)
    return values


def _counts(read: Reader, label: str) -> list[float]:
    """Repetitions, or full turns of a spin. Said times win over nouns ("two jumps") and numbers on their own."""
    said, weak = [], []
    for q in read.quantities:
        if q.kind == "times" or (q.kind == "turn" and label == "spin"):
            said.append(q.value)
        elif label == "spin" and (q.kind == "deg" or (q.kind == "bare" and q.value >= 180)):
            said.append(q.value / 360.0)
        elif q.kind in ("noun", "turn") or (_counts_alone(q, read) and label in ("spin", "jump")):
            weak.append(q.value)
    if said or weak:
        return said or weak
    if label == "spin" and _FULL_TURN.search(" ".join(t.text for t in read.tokens)):
        return [1.0]
    return [units.MULTIPLES[t.text] for t in read.tokens if t.text in units.MULTIPLES]


def _is_name(q: Quantity, read: Reader) -> bool:
    return read.word(q.start - 1) in units.NAMERS


def _counts_alone(q: Quantity, read: Reader) -> bool:
    """A small whole bare number that ends its clause: "step back one", "spin, two"."""
    ends = read.word(q.end) in ("", BREAK, "please", "good", "now") and read.word(q.start).isascii()
    return (
        q.kind == "bare"
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
    plain = _HAN_GAP.sub("", text)
    ends = {speed: max((m.end() for m in pattern.finditer(plain)), default=0) for speed, pattern in patterns.items()}
    last = max(ends, key=lambda speed: ends[speed])
    return last if ends[last] else None
