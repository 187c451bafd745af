"""The skill table: what each intent label makes the robot do, read from config/skills.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from shadow_intent.errors import ConfigError, InputError
from shadow_intent.intent import Slots
from shadow_intent.resources import share_path
from shadow_intent.skill_rules import POSTURES, Place, api_ids, check_head, check_row

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times faster."""
NOT_PLANNABLE = frozenset({"affirm", "deny", "remote", "ignore", "report_status"})


@dataclass(frozen=True, slots=True)
class Bound:
    """What a quantity may be, in the slot's unit."""

    default: float | None = None
    """Used when nothing was said; None: the skill does without."""
    little: float | None = None
    """Used instead for "a bit"; None: the default."""
    min: float | None = None
    max: float | None = None

    def check(self, name: str, value: float) -> None:
        """Raises InputError when `value` is outside."""
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            raise InputError(f"{name} = {value:g} is outside [{self.min:g}, {self.max:g}]")


@dataclass(frozen=True, slots=True)
class Level:
    """A stepped or absolute setting of the robot, such as its volume."""

    name: str
    """Field of the request's JSON parameter."""
    min: int
    max: int
    start: int = 0
    """Assumed before the first command."""
    step: int = 0
    """Change per command; 0 when `set` is given."""
    set: int | None = None
    """Absolute level."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One row of the table."""

    label: str
    name: Mapping[str, str]
    """How the robot calls it, by language."""
    action: str
    """One of `skill_rules.ACTIONS`."""
    guard: str
    """One of `skill_rules.GUARDS`."""
    service: str = ""
    """Unitree service, one of `skill_rules.SERVICES`; "" when nothing is sent."""
    api: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """API ids by firmware profile, and under "sitting" the id used when the robot sits."""
    parameter: Mapping[str, Any] = field(default_factory=dict)
    """JSON parameter of the request."""
    velocity: Mapping[str, float] = field(default_factory=dict)
    """vx, vy in m/s, vyaw in rad/s, at normal speed."""
    slots: Mapping[str, Bound] = field(default_factory=dict)
    """The quantities it takes."""
    postures: tuple[str, ...] = POSTURES
    """Where it may start."""
    seconds: float = 0.0
    """Until the robot is free again, seconds; motions end by their goal."""
    until: str = ""
    """Posture that shows that it worked, within as long again; "": none does."""
    say: Mapping[str, str] = field(default_factory=dict)
    """Spoken when the robot is sent the request, by language; two seconds before a hazardous movement."""
    level: Level | None = None

    @property
    def plannable(self) -> bool:
        """May a cloud plan contain it?"""
        return self.label not in NOT_PLANNABLE

    @property
    def moves(self) -> bool:
        """The body moves: it needs a robot state that permits it."""
        return self.service == "sport" and self.guard not in ("none", "fast_path")

    @property
    def exclusive(self) -> bool:
        """It owns the body; SpeedLevel moves nothing by itself."""
        return self.moves and not (self.guard == "motion" and self.action == "request")

    @property
    def walks(self) -> bool:
        """It goes somewhere, where obstacles may be."""
        return not {"vx", "vy"}.isdisjoint(self.velocity)

    def bounded(self, slots: Slots) -> Slots:
        """The same slots, or InputError naming the quantity this skill does not take or that is out of bounds."""
        for name, value in slots.as_dict().items():
            bound = self.slots.get(name)
            if bound is None:
                raise InputError(f"{self.label} takes no {name}")
            if name != "speed":
                bound.check(name, value)
        return slots


@dataclass(frozen=True, slots=True)
class SkillTable:
    """Every skill by label."""

    firmware: str
    """One of `skill_rules.FIRMWARES`."""
    speeds: Mapping[str, float]
    """Velocity factor of each spoken speed."""
    skills: Mapping[str, Skill]

    def __getitem__(self, label: str) -> Skill:
        try:
            return self.skills[label]
        except KeyError:
            raise InputError(f"unknown skill {label!r}") from None

    def require(self, labels: Iterable[str]) -> None:
        """Raises ConfigError when a label has no row."""
        missing = [label for label in labels if label not in self.skills]
        if missing:
            raise ConfigError(f"skills.yaml has no row for {', '.join(missing)}; the bundle's labels need one each")


def load_skills(path: Path | None = None) -> SkillTable:
    """Reads the table. Raises ConfigError naming file, line and rule."""
    path = path or share_path("config", "skills.yaml")
    try:
        text = path.read_text(encoding="utf-8")
        root: Any = yaml.compose(text, LOADER)
        document = yaml.load(text, LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, TypeError) as error:
        raise Place(path, None).error("file", error) from error
    file = Place(path, root)
    check_head(file, document)
    rows = next(value for key, value in root.value if key.value == "skills").value
    skills: dict[str, Skill] = {}
    for node, row in zip(rows, document["skills"], strict=True):
        place = Place(path, node)
        check_row(place, row, _KEYS, max(document["speeds"].values()))
        if row["label"] in skills:
            raise place.error("label", f"a second row of {row['label']}", "label")
        skills[row["label"]] = _skill(row)
    return SkillTable(document["firmware"], document["speeds"], skills)


_KEYS = frozenset({f.name for f in fields(Skill)} - {"postures"} | {"from"})
"""Of a row."""


def _skill(row: Mapping[str, Any]) -> Skill:
    """A checked row."""
    values = dict(row)
    values["postures"] = tuple(values.pop("from", POSTURES))
    values["slots"] = {name: Bound(**bound) for name, bound in values.get("slots", {}).items()}
    values["api"] = {key: api_ids(value) for key, value in values.get("api", {}).items()}
    if "level" in values:
        values["level"] = Level(**values["level"])
    return Skill(**values)
