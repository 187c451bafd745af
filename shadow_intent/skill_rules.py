"""What config/skills.yaml may say: words, limits, and a rule for each key. An error names file, line and rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadow_intent.errors import ConfigError
from shadow_intent.gate import FAST_PATH
from shadow_intent.intent import SPEEDS
from shadow_intent.robot import PARAMETERS

ACTIONS = ("request", "motion", "level", "status", "confirmation", "none")
GUARDS = ("none", "fast_path", "posture", "motion", "gesture", "confirm", "cloud")
SERVICES = ("sport", "vui", "obstacles_avoid")
FIRMWARES = ("mcf", "legacy")
POSTURES = ("standing", "sitting", "lying", "fallen", "damped")
QUANTITIES = ("distance_m", "angle_deg", "duration_s", "count", "speed")
SENT = ("request", "motion", "level")
"""Actions that reach the robot."""

SPEED_LIMITS = {"vx": 1.5, "vy": 1.0, "vyaw": 2.0}
"""m/s and rad/s that no skill exceeds, at whatever spoken speed."""
SLOT_LIMITS = {"distance_m": 10.0, "angle_deg": 1080.0, "duration_s": 30.0, "count": 10.0}
"""What no skill accepts more of: metres, degrees, seconds, times."""
LONGEST_S = 60.0
"""No skill keeps the robot longer, seconds."""

RULES: Mapping[str, str] = {
    "file": "YAML with exactly the keys firmware, speeds and skills",
    "firmware": f"one of {', '.join(FIRMWARES)}",
    "speeds": f"a factor in (0, 2] for each of {', '.join(SPEEDS)}",
    "skills": "a list of rows",
    "row": "a mapping with label, name, action and guard, and no key that is unknown",
    "label": "a word, each once",
    "name": "a text in en and one in zh",
    "say": "a text in en and one in zh",
    "action": f"one of {', '.join(ACTIONS)}",
    "guard": f"one of {', '.join(GUARDS)}; fast_path for {' and '.join(FAST_PATH)} alone",
    "service": f"one of {', '.join(SERVICES)} where the action is one of {', '.join(SENT)}",
    "api": f"Unitree API ids, whole numbers > 0, for {' or '.join(FIRMWARES)}; one more for sitting",
    "parameter": "what Unitree documents for the API id, in its bounds",
    "velocity": "one of vx, vy, vyaw; at the fastest speed at most "
    + ", ".join(f"{limit:g} for {axis}" for axis, limit in SPEED_LIMITS.items()),
    "slots": "min <= little <= default <= max, numbers > 0, at most "
    + ", ".join(f"{limit:g} for {name}" for name, limit in SLOT_LIMITS.items()),
    "from": f"some of {', '.join(POSTURES)}",
    "seconds": f"a number in (0, {LONGEST_S:g}] where the action is request or level",
    "until": f"one of {', '.join(POSTURES)}",
    "level": "name, min < max, and either set within them, or start within them and step",
}
"""By key, what is expected of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a YAML file."""

    path: Path
    node: Any
    """Its yaml.Node, None when the file has none."""

    def error(self, rule: str, got: object, key: str = "") -> ConfigError:
        """A ConfigError at the line of `key` in this mapping, or of the mapping itself."""
        line = "" if self.node is None else f":{self._line(key)}"
        return ConfigError(f"{self.path}{line}: rule {rule}: expected {RULES[rule]}; got {got}")

    def _line(self, key: str) -> int:
        pairs = self.node.value if isinstance(self.node.value, list) else []
        marks = [k[0].start_mark for k in pairs if isinstance(k, tuple) and k[0].value == key]
        return int((marks[0] if marks else self.node.start_mark).line) + 1


def check_head(place: Place, document: Any) -> None:
    """firmware, speeds, and that there are rows. Raises ConfigError."""
    if not isinstance(document, dict) or set(document) != {"firmware", "speeds", "skills"}:
        raise place.error("file", f"the keys {sorted(map(str, document))}" if isinstance(document, dict) else document)
    speeds = document["speeds"]
    if document["firmware"] not in FIRMWARES:
        raise place.error("firmware", repr(document["firmware"]), "firmware")
    if not isinstance(speeds, dict) or set(speeds) != set(SPEEDS) or not all(_number(v, 2.0) for v in speeds.values()):
        raise place.error("speeds", speeds, "speeds")
    if not isinstance(document["skills"], list):
        raise place.error("skills", repr(document["skills"]), "skills")


def check_row(place: Place, row: Any, keys: Collection[str], fastest: float) -> None:
    """One row; `keys` are those it may have, `fastest` is the largest speed factor. Raises ConfigError."""
    if not isinstance(row, dict):
        raise place.error("row", repr(row))
    missing = [key for key in ("label", "name", "action", "guard") if key not in row]
    unknown = [key for key in row if key not in keys]
    if missing or unknown:
        raise place.error("row", f"none of {missing[0]}" if missing else f"the key {unknown[0]!r}", str(unknown[:1]))
    for key, check in _CHECKS.items():
        if (key in row or key in _NEVER_MISSING) and not check(row, fastest):
            raise place.error(key, f"{row.get(key)!r} for {row['label']}", key)


def _number(value: object, most: float = math.inf) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= most and value < math.inf


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(key: str) -> Callable[[Any, float], bool]:
    def check(row: Any, _: float) -> bool:
        texts = row[key]
        return isinstance(texts, dict) and set(texts) == {"en", "zh"} and all(map(_text, texts.values()))

    return check


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _guard(row: Any, _: float) -> bool:
    return row["guard"] in GUARDS and (row["guard"] == "fast_path") == (row["label"] in FAST_PATH)


def _service(row: Any, _: float) -> bool:
    return row.get("service") in SERVICES if row["action"] in SENT else "service" not in row


def api_ids(value: Any) -> tuple[int, ...]:
    """One id or a list of them."""
    return tuple(value) if isinstance(value, list) else (value,)


def _api(row: Any, _: float) -> bool:
    api = row.get("api")
    if row["action"] not in SENT:
        return api is None
    if not isinstance(api, dict) or not set(api) & set(FIRMWARES) or set(api) - {*FIRMWARES, "sitting"}:
        return False
    return all(api_ids(v) and all(_whole(i) and i > 0 for i in api_ids(v)) for v in api.values())


def _parameter(row: Any, _: float) -> bool:
    """A motion's and a level's own fields are filled in when they are sent."""
    given = row.get("parameter", {})
    if row["action"] not in SENT:
        return "parameter" not in row
    if not isinstance(given, dict):
        return False
    for api_id in {i for value in row["api"].values() for i in api_ids(value)}:
        expected = PARAMETERS.get((row["service"], api_id), {})
        if row["action"] == "request" and set(given) != set(expected):
            return False
        if not all(name in expected and expected[name].fits(value) for name, value in given.items()):
            return False
    return True


def _velocity(row: Any, fastest: float) -> bool:
    velocity = row.get("velocity")
    if row["action"] != "motion":
        return velocity is None
    if not isinstance(velocity, dict) or len(velocity) != 1 or set(velocity) - set(SPEED_LIMITS):
        return False
    ((axis, value),) = velocity.items()
    return isinstance(value, (int, float)) and _number(abs(value) * fastest, SPEED_LIMITS[axis])


def _slots(row: Any, _: float) -> bool:
    slots = row["slots"]
    return isinstance(slots, dict) and all(_bound(name, bound) for name, bound in slots.items())


def _bound(name: Any, bound: Any) -> bool:
    if name not in QUANTITIES or not isinstance(bound, dict) or set(bound) - {"default", "little", "min", "max"}:
        return False
    if name == "speed":
        return not bound
    most = SLOT_LIMITS[name]
    if not {"min", "max"} <= set(bound) or not all(_number(v, most) for v in bound.values()):
        return False
    least: Any = bound["min"]
    return bool(least <= bound.get("little", least) <= bound.get("default", least) <= bound["max"])


def _from(row: Any, _: float) -> bool:
    postures = row["from"]
    return isinstance(postures, list) and bool(postures) and all(p in POSTURES for p in postures)


def _seconds(row: Any, _: float) -> bool:
    if row["action"] in ("request", "level"):
        return _number(row.get("seconds"), LONGEST_S)
    return "seconds" not in row


def _level(row: Any, _: float) -> bool:
    level = row.get("level")
    if row["action"] != "level":
        return level is None
    if not isinstance(level, dict) or not _text(level.get("name")):
        return False
    numbers = {key: value for key, value in level.items() if key != "name"}
    if set(numbers) not in ({"set", "min", "max"}, {"start", "step", "min", "max"}) or not all(
        map(_whole, numbers.values())
    ):
        return False
    inside = numbers["min"] <= numbers.get("set", numbers.get("start")) <= numbers["max"]
    return bool(inside and numbers["min"] < numbers["max"] and numbers.get("step") != 0)


_CHECKS: Mapping[str, Callable[[Any, float], bool]] = {
    "label": lambda row, _: _text(row["label"]),
    "name": _texts("name"),
    "say": _texts("say"),
    "action": lambda row, _: row["action"] in ACTIONS,
    "guard": _guard,
    "service": _service,
    "api": _api,
    "parameter": _parameter,
    "velocity": _velocity,
    "slots": _slots,
    "from": _from,
    "seconds": _seconds,
    "until": lambda row, _: row["until"] in POSTURES,
    "level": _level,
}
"""In this order: a check may rely on those before it."""
_NEVER_MISSING = ("service", "api", "parameter", "velocity", "seconds", "level")
"""Checked also where the key is absent: whether it may be depends on the action."""
