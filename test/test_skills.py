"""The skill table that ships, and what a wrong one says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow_intent.errors import ConfigError, InputError
from shadow_intent.intent import Slots
from shadow_intent.resources import share_path
from shadow_intent.skill_rules import RULES, SLOT_LIMITS, SPEED_LIMITS
from shadow_intent.skills import LOADER, NOT_PLANNABLE, load_skills

TABLE = load_skills()
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
SHIPPED = share_path("config", "skills.yaml").read_text(encoding="utf-8")


def test_there_are_42_labels() -> None:
    assert len(TABLE.skills) == 42


@pytest.mark.parametrize(
    ("label", "service", "api_id"),
    [
        ("stop", "sport", 1003),
        ("damp", "sport", 1001),
        ("sit", "sport", 1009),
        ("move_left", "sport", 1008),
        ("heart", "sport", 1036),
        ("back_flip", "sport", 2043),
        ("light_on", "vui", 1005),
        ("volume_up", "vui", 1003),
        ("avoid_off", "obstacles_avoid", 1001),
    ],
)
def test_api_ids_are_unitrees(label: str, service: str, api_id: int) -> None:
    """Source: unitree_sdk2_python, go2/*/..._api.py."""
    assert (TABLE[label].service, TABLE[label].api["mcf"][0]) == (service, api_id)


@pytest.mark.parametrize(("label", "mcf", "legacy"), [("hand_stand", 2044, 1301), ("back_flip", 2043, 1044)])
def test_api_ids_differ_between_firmwares(label: str, mcf: int, legacy: int) -> None:
    assert TABLE[label].api == {"mcf": (mcf,), "legacy": (legacy,)}


def test_old_firmware_alone_rolls_over_and_wiggles() -> None:
    for label, api_id in (("roll_over", 1021), ("wiggle_hips", 1033)):
        assert TABLE[label].api == {"legacy": (api_id,)}
    assert TABLE["back_flip"].api["legacy"] == (1044,)


def test_everything_dangerous_asks_first() -> None:
    asking = {label for label, skill in TABLE.skills.items() if skill.guard == "confirm"}
    flips = {"jump", "pounce", "front_flip", "back_flip", "hand_stand", "walk_upright"}
    assert asking == flips | {"avoid_off"}


def test_directions_have_the_right_sign() -> None:
    signs = {
        ("move_forward", "vx"): 1,
        ("move_backward", "vx"): -1,
        ("move_left", "vy"): 1,
        ("move_right", "vy"): -1,
        ("turn_left", "vyaw"): 1,
        ("turn_right", "vyaw"): -1,
    }
    for (label, axis), sign in signs.items():
        assert math.copysign(1, TABLE[label].velocity[axis]) == sign


def test_a_plan_may_not_answer_for_the_speaker() -> None:
    assert {label for label, skill in TABLE.skills.items() if not skill.plannable} == NOT_PLANNABLE


def test_slots_beyond_a_bound_are_refused_not_clipped() -> None:
    assert TABLE["move_forward"].bounded(Slots(distance_m=5.0)) == Slots(distance_m=5.0)
    with pytest.raises(InputError, match=r"distance_m = 5.1 is outside \[0.05, 5\]"):
        TABLE["move_forward"].bounded(Slots(distance_m=5.1))
    with pytest.raises(InputError, match="sit takes no distance_m"):
        TABLE["sit"].bounded(Slots(distance_m=1.0))
    with pytest.raises(InputError, match="unknown skill 'fly'"):
        TABLE["fly"]


@pytest.mark.parametrize("name", ["distance_m", "angle_deg", "duration_s"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0, "two"])
def test_a_slot_is_finite_and_positive(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"slot {name}: expected a finite number > 0"):
        Slots(**{name: value})  # type: ignore[arg-type]


def test_slots_are_named_when_unknown_or_wrong() -> None:
    with pytest.raises(InputError, match="unknown slot 'height'"):
        Slots.from_dict({"height": 1.0})
    with pytest.raises(InputError, match="slot count: expected a whole number >= 1"):
        Slots.from_dict({"count": 0})
    with pytest.raises(InputError, match="slot speed: expected one of slow, normal, fast"):
        Slots.from_dict({"speed": "warp"})


def test_a_missing_row_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no row for moonwalk; the bundle's labels"):
        TABLE.require(["sit", "moonwalk"])


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """`edited(change)`: a copy of skills.yaml after `change(document)`."""

    def edit(change: Callable[[dict[str, Any]], object]) -> Path:
        document = yaml.load(SHIPPED, LOADER)
        change(document)
        path = tmp_path / "skills.yaml"
        path.write_text(yaml.dump(document, Dumper=DUMPER, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    return edit


def _row(document: dict[str, Any], label: str) -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in document["skills"] if row["label"] == label)
    return row


Change = Callable[[dict[str, Any]], object]
WRONG: dict[str, tuple[Change, str, str]] = {
    # what is wrong: (how it came about, the rule, what stands in the line that is named)
    "an unknown key of the file": (lambda d: d.update(extra=1), "file", "firmware"),
    "a missing key of the file": (lambda d: d.pop("speeds"), "file", "firmware"),
    "an unknown firmware": (lambda d: d.update(firmware="v9"), "firmware", "v9"),
    "a speed of zero": (lambda d: d["speeds"].update(slow=0), "speeds", "speeds"),
    "a speed beyond reason": (lambda d: d["speeds"].update(fast=2.5), "speeds", "speeds"),
    "rows that are no list": (lambda d: d.update(skills={}), "skills", "skills"),
    "a row that is no mapping": (lambda d: d["skills"].append("sit"), "row", "- sit"),
    "an unknown key of a row": (lambda d: _row(d, "sit").update(gaurd="x"), "row", "label: sit"),
    "a missing key of a row": (lambda d: _row(d, "sit").pop("guard"), "row", "label: sit"),
    "two rows of a label": (lambda d: d["skills"].append(dict(d["skills"][0])), "label", "label: stop"),
    "a label that is no word": (lambda d: _row(d, "sit").update(label=["sit"]), "label", "label"),
    "a name without Chinese": (lambda d: _row(d, "sit").update(name={"en": "sit"}), "name", "name"),
    "an empty sentence": (lambda d: _row(d, "sit").update(say={"en": "", "zh": "坐"}), "say", "say"),
    "an unknown action": (lambda d: _row(d, "sit").update(action="fly"), "action", "action"),
    "an unknown guard": (lambda d: _row(d, "sit").update(guard="brave"), "guard", "guard"),
    "a fast path for another skill": (lambda d: _row(d, "sit").update(guard="fast_path"), "guard", "guard"),
    "a stop that has to wait": (lambda d: _row(d, "stop").update(guard="motion"), "guard", "guard"),
    "an unknown service": (lambda d: _row(d, "sit").update(service="legs"), "service", "service"),
    "a service of nothing": (lambda d: _row(d, "affirm").update(service="sport"), "service", "service"),
    "no API ids": (lambda d: _row(d, "sit").pop("api"), "api", "label: sit"),
    "an API id that is no number": (lambda d: _row(d, "sit").update(api={"mcf": "1009"}), "api", "api"),
    "an unknown firmware profile": (lambda d: _row(d, "sit").update(api={"mcf2": 1009}), "api", "api"),
    "a parameter the API has not": (lambda d: _row(d, "sit").update(parameter={"x": 1}), "parameter", "parameter"),
    "a parameter out of bounds": (lambda d: _row(d, "speed_up").update(parameter={"data": 2}), "parameter", "param"),
    "a parameter of a wrong type": (lambda d: _row(d, "pose").update(parameter={"data": 1}), "parameter", "param"),
    "a parameter left out": (lambda d: _row(d, "pose").pop("parameter"), "parameter", "label: pose"),
    "a dangerous velocity": (lambda d: _row(d, "spin").update(velocity={"vyaw": 1.3}), "velocity", "velocity"),
    "a velocity that is none": (lambda d: _row(d, "spin").update(velocity={"vyaw": "1"}), "velocity", "velocity"),
    "a motion without a velocity": (lambda d: _row(d, "spin").pop("velocity"), "velocity", "label: spin"),
    "two axes": (lambda d: _row(d, "spin")["velocity"].update(vx=0.1), "velocity", "velocity"),
    "a NaN bound": (lambda d: _walk(d)["distance_m"].update(max=math.nan), "slots", "slots"),
    "a bound beyond reason": (lambda d: _walk(d)["distance_m"].update(max=11.0), "slots", "slots"),
    "an empty bound": (lambda d: _walk(d)["distance_m"].update(min=9.0), "slots", "slots"),
    "a default outside its bounds": (lambda d: _walk(d)["distance_m"].update(default=6.0), "slots", "slots"),
    "a little above the default": (lambda d: _walk(d)["distance_m"].update(little=2.0), "slots", "slots"),
    "a missing bound": (lambda d: _walk(d)["distance_m"].pop("max"), "slots", "slots"),
    "an unknown slot": (lambda d: _walk(d).update(height={}), "slots", "slots"),
    "an unknown posture": (lambda d: _row(d, "sit").update({"from": ["floating"]}), "from", "from"),
    "no posture": (lambda d: _row(d, "sit").update({"from": []}), "from", "from"),
    "no end": (lambda d: _row(d, "sit").pop("seconds"), "seconds", "label: sit"),
    "an end that never comes": (lambda d: _row(d, "sit").update(seconds=math.inf), "seconds", "seconds"),
    "an end in an unknown posture": (lambda d: _row(d, "sit").update(until="flying"), "until", "until"),
    "a level without steps": (lambda d: _row(d, "volume_up")["level"].update(step=0), "level", "level"),
    "a level outside its range": (lambda d: _row(d, "light_on")["level"].update(set=11), "level", "level"),
    "a skill without a level": (lambda d: _row(d, "light_on").pop("level"), "level", "label: light_on"),
}


def _walk(document: dict[str, Any]) -> Any:
    return _row(document, "move_forward")["slots"]


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_says_file_line_and_rule(edited: Callable[[Change], Path], case: str) -> None:
    change, rule, words = WRONG[case]
    path = edited(change)
    with pytest.raises(ConfigError) as caught:
        load_skills(path)
    said = re.fullmatch(rf"{re.escape(str(path))}:(\d+): rule (\w+): expected (.+); got (.+)", str(caught.value))
    assert said is not None, str(caught.value)
    assert (said[2], said[3]) == (rule, RULES[rule])
    assert words in path.read_text(encoding="utf-8").splitlines()[int(said[1]) - 1]


def test_every_rule_is_broken_by_some_case() -> None:
    assert {rule for _, rule, _ in WRONG.values()} == set(RULES)


JUNK = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.sampled_from(["", "x", "sport", "standing"])
JUNK |= st.lists(JUNK, max_size=2) | st.dictionaries(st.sampled_from(["mcf", "x", "en", "min"]), JUNK, max_size=2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_in_the_table_is_refused_or_sound(tmp_path: Path, data: st.DataObject) -> None:
    """One value anywhere is replaced."""
    document = yaml.load(SHIPPED, LOADER)
    parent, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(parent[key], (dict, list)) and parent[key] and data.draw(st.integers(0, 4)):
        parent = parent[key]
        key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
    parent[key] = data.draw(JUNK)
    path = tmp_path / "skills.yaml"
    path.write_text(yaml.dump(document, Dumper=DUMPER, allow_unicode=True, sort_keys=False), encoding="utf-8")
    try:
        table = load_skills(path)
    except ConfigError as error:
        assert str(error).startswith(f"{path}")
        return
    for skill in table.skills.values():
        for axis, value in skill.velocity.items():
            assert abs(value) * max(table.speeds.values()) <= SPEED_LIMITS[axis]
        for name, bound in skill.slots.items():
            assert name == "speed" or 0 < bound.min <= bound.max <= SLOT_LIMITS[name]  # type: ignore[operator]


def test_text_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "skills.yaml"
    for content in (b"firmware: [", b"\xff\xfe\x00", b"", b"? [a]\n: b", b"&a [*a]"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"skills\.yaml.*: rule file: "):
            load_skills(path)
    with pytest.raises(ConfigError, match="No such file"):
        load_skills(tmp_path / "absent.yaml")
