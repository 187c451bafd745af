"""The skill table: what each intent label makes the robot do, read from config/skills.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from shadow_intent.errors import ConfigError, InputError
from shadow_intent.intent import SPEEDS, Slots
from shadow_intent.resources import share_path

ACTIONS = ("request", "motion", "level", "status", "confirmation", "none")
GUARDS = ("none", "fast_path", "posture", "motion", "gesture", "confirm", "cloud")
SERVICES = ("sport", "vui", "obstacles_avoid")
FIRMWARES = ("mcf", "legacy")
POSTURES = ("standing", "sitting", "lying", "fallen", "damped")
QUANTITIES = ("distance_m", "angle_deg", "duration_s", "count", "speed")
AXES = ("vx", "vy", "vyaw")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times faster."""
NOT_PLANNABLE = frozenset({"affirm", "deny", "remote", "ignore", "report_status"})


@dataclass(frozen=True, slots=True)
class Bound:
    """What a quantity may be, in the slot's unit."""

    default: float | None = None
    """Used when nothing was said; None: the skill does without."""
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
    """One of `ACTIONS`."""
    guard: str
    """One of `GUARDS`."""
    service: str = ""
    """Unitree service, one of `SERVICES`; "" when nothing is sent."""
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
    level: Level | None = None

    @property
    def plannable(self) -> bool:
        """May a cloud plan contain it?"""
        return self.label not in NOT_PLANNABLE

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
    """One of `FIRMWARES`."""
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
    """Reads the table. Raises ConfigError naming file, line, key and rule."""
    path = path or share_path("config", "skills.yaml")
    try:
        text = path.read_text(encoding="utf-8")
        root: Any = yaml.compose(text, LOADER)
        document = yaml.load(text, LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(document, dict) or set(document) != {"firmware", "speeds", "skills"}:
        raise ConfigError(f"{path}: expected exactly the keys firmware, speeds and skills")
    if document["firmware"] not in FIRMWARES:
        raise ConfigError(f"{path}: firmware is {document['firmware']!r}, expected one of {', '.join(FIRMWARES)}")
    speeds, rows = document["speeds"], document["skills"]
    if not isinstance(speeds, dict) or set(speeds) != set(SPEEDS) or not all(_positive(v) for v in speeds.values()):
        raise ConfigError(f"{path}: speeds must give a factor > 0 for each of {', '.join(SPEEDS)}")
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: skills must be a list of rows")
    nodes = next(value for key, value in root.value if key.value == "skills").value
    skills: dict[str, Skill] = {}
    for node, row in zip(nodes, rows, strict=True):
        where = f"{path}:{node.start_mark.line + 1}"
        skill = _skill(where, row)
        if skill.label in skills:
            raise ConfigError(f"{where}: label {skill.label} has two rows")
        skills[skill.label] = skill
    return SkillTable(document["firmware"], speeds, skills)


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def _skill(where: str, row: object) -> Skill:
    """One validated row."""
    known = {f.name for f in fields(Skill)} - {"postures"} | {"from"}
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: expected a mapping, got {row!r}")
    for key in row:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; expected some of {', '.join(sorted(known))}")
    for key in ("label", "name", "action", "guard"):
        if key not in row:
            raise ConfigError(f"{where}: {key} is missing")
    values = dict(row)
    label = values["label"]
    _one_of(where, "action", values["action"], ACTIONS)
    _one_of(where, "guard", values["guard"], GUARDS)
    if not isinstance(values["name"], dict) or set(values["name"]) != {"en", "zh"}:
        raise ConfigError(f"{where}: name of {label} needs en and zh")
    values["postures"] = tuple(values.pop("from", POSTURES))
    for posture in values["postures"]:
        _one_of(where, "from", posture, POSTURES)
    if not isinstance(values.get("parameter", {}), dict):
        raise ConfigError(f"{where}: parameter of {label} must be a mapping")
    if "seconds" in values and not _positive(values["seconds"]):
        raise ConfigError(f"{where}: seconds of {label} must be > 0, got {values['seconds']!r}")
    values["slots"] = {name: _bound(where, name, raw) for name, raw in values.get("slots", {}).items()}
    if values["action"] in ("request", "motion", "level"):
        _check_wire(where, label, values)
    values["api"] = {k: tuple(v) if isinstance(v, list) else (v,) for k, v in values.get("api", {}).items()}
    if values["action"] == "level":
        try:
            values["level"] = Level(**values.get("level", {}))
        except TypeError as error:
            raise ConfigError(f"{where}: level of {label}: {error}") from error
    return Skill(**values)


def _one_of(where: str, key: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{where}: {key} is {value!r}, expected one of {', '.join(allowed)}")


def _bound(where: str, name: str, raw: object) -> Bound:
    _one_of(where, "slots", name, QUANTITIES)
    if not isinstance(raw, dict) or set(raw) - {"default", "min", "max"} or not all(map(_positive, raw.values())):
        raise ConfigError(f"{where}: slot {name} must be {{default, min, max}} with numbers > 0, got {raw!r}")
    bound = Bound(**raw)
    if name != "speed" and (bound.min is None or bound.max is None or bound.min > bound.max):
        raise ConfigError(f"{where}: slot {name} needs min <= max")
    return bound


def _check_wire(where: str, label: str, values: dict[str, Any]) -> None:
    """A skill that reaches the robot names its service, its API ids and, when it moves, a bounded velocity."""
    _one_of(where, "service", values.get("service"), SERVICES)
    api = values.get("api")
    if not isinstance(api, dict) or not api or set(api) - {*FIRMWARES, "sitting"}:
        raise ConfigError(f"{where}: api of {label} must map {' or '.join(FIRMWARES)} to Unitree API ids")
    ids = [i for value in api.values() for i in (value if isinstance(value, list) else [value])]
    if not all(isinstance(i, int) and i > 0 for i in ids):
        raise ConfigError(f"{where}: api of {label} must hold whole numbers > 0, got {api!r}")
    if values["action"] == "motion":
        velocity = values.get("velocity")
        if not isinstance(velocity, dict) or set(velocity) - set(AXES) or len(velocity) != 1:
            raise ConfigError(f"{where}: velocity of {label} must name one of {', '.join(AXES)}")
        if not all(_positive(abs(v)) and abs(v) <= 1.5 for v in velocity.values()):
            raise ConfigError(f"{where}: velocity of {label} must lie within 1.5 (m/s or rad/s), got {velocity!r}")
