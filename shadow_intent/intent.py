"""The nouns of the product: utterances, predictions, decisions and events. Standard library only."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from shadow_intent.errors import InputError

SPEEDS = ("slow", "normal", "fast")
"""Values of `Slots.speed`, slowest first."""

MAX_UTTERANCE_CHARS = 1000
"""Longer texts are debris, not commands: they are ignored before the classifier sees them."""


class Route(str, Enum):
    """What happens to an utterance."""

    SKILL = "skill"
    """Run the skill named by the label."""
    REMOTE = "remote"
    """Ask the cloud."""
    IGNORE = "ignore"
    """Do nothing."""


class Source(str, Enum):
    """Who decided."""

    EDGE = "edge"
    """The classifier on the robot."""
    CLOUD = "cloud"
    """A step of a cloud plan."""
    STOP = "stop"
    """Matched before the model."""
    SPEAKER = "speaker"
    """Asked "did you mean", the speaker said what was meant."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Quantities named in an utterance; None where nothing was said."""

    distance_m: float | None = None
    """Metres, > 0."""
    angle_deg: float | None = None
    """Degrees, > 0; the label carries the direction."""
    duration_s: float | None = None
    """Seconds, > 0."""
    count: int | None = None
    """Repetitions or full turns, >= 1."""
    speed: str | None = None
    """One of `SPEEDS`."""
    little: bool = False
    """ "A bit", "一点": no quantity, but less than the skill's default; config/skills.yaml says how little."""

    def __post_init__(self) -> None:
        for name in ("distance_m", "angle_deg", "duration_s"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise InputError(f"slot {name}: expected a finite number > 0, got {value!r}")
        if self.count is not None and not (isinstance(self.count, int) and self.count >= 1):
            raise InputError(f"slot count: expected a whole number >= 1, got {self.count!r}")
        if self.speed is not None and self.speed not in SPEEDS:
            raise InputError(f"slot speed: expected one of {', '.join(SPEEDS)}, got {self.speed!r}")

    def as_dict(self) -> dict[str, Any]:
        """Only the quantities that were said."""
        return {name: getattr(self, name) for name in self._quantities() if getattr(self, name) is not None}

    @classmethod
    def _quantities(cls) -> list[str]:
        return [f.name for f in fields(cls) if f.name != "little"]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Slots:
        """The inverse of `as_dict`. Raises InputError on unknown names or bad values."""
        known = cls._quantities()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InputError(f"unknown slot {unknown[0]!r}; expected some of {', '.join(sorted(known))}")
        return cls(**values)


NO_SLOTS = Slots()


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was heard."""

    text: str
    """As recognised, UTF-8."""
    utterance_id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    """Unique; joins every message and log record about this utterance."""
    language: str = ""
    """BCP-47 as the recogniser gave it, "" when unknown."""
    asr_confidence: float | None = None
    """Recogniser confidence in [0, 1], None when unknown."""
    session_id: str = ""
    """One dialogue."""
    stamp_ns: int = field(default_factory=time.time_ns)
    """When speech ended, nanoseconds since the epoch."""

    @property
    def answer_language(self) -> str:
        """In which the speaker is answered: "zh" or "en"."""
        return "zh" if self.language.startswith("zh") or is_chinese(self.text) else "en"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the detached shadow says about a text."""

    label: str
    """The most probable of the bundle's labels."""
    probability: float
    """Calibrated probability of `label`, in [0, 1]."""
    runner_up: str
    """The second most probable label."""
    runner_up_probability: float
    """Its probability, in [0, 1]."""
    latency_ms: float
    """Tokenizer and model together, milliseconds."""
    cut: bool = False
    """The text is longer than what the model reads (`Manifest.max_tokens`): this is about its beginning."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about an utterance, and why."""

    utterance: Utterance
    route: Route
    label: str
    """The label acted on or the most probable one; "" when the model was not asked."""
    probability: float
    """Of `label`, in [0, 1]; 1 for a matched stop, 0 when the model was not asked."""
    reason: str
    """In words a person understands."""
    source: Source
    slots: Slots = NO_SLOTS
    latency_ms: float = 0.0
    """From text to this decision, milliseconds."""
    alternatives: tuple[str, ...] = ()
    """The labels it could be when the robot is unsure, likeliest first, at most two; empty when it is sure."""
    reply: str = ""
    """What the speaker is to be told about it at once; "" when nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the log."""

    topic: str
    """Name of the ROS topic, without namespace."""
    stamp_ns: int
    """When it was seen, nanoseconds since the epoch."""
    fields: Mapping[str, Any]
    """The message: field name to value, nested messages as mappings."""


def is_chinese(text: str) -> bool:
    """True when the text holds a Han character: the product answers it in Chinese."""
    return any("\u4e00" <= c <= "\u9fff" or "\u3400" <= c <= "\u4dbf" for c in text)


def printable(text: str) -> str:
    """The text with each control character as a space: words from outside must not steer a terminal or a voice."""
    return "".join(c if c.isprintable() else " " for c in text)
