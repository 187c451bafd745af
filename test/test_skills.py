"""The skill table that ships, and what a wrong one says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadow_intent.errors import ConfigError, InputError
from shadow_intent.intent import Slots
from shadow_intent.resources import share_path
from shadow_intent.skills import NOT_PLANNABLE, load_skills

TABLE = load_skills()


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
        document = yaml.safe_load(share_path("config", "skills.yaml").read_text(encoding="utf-8"))
        change(document)
        path = tmp_path / "skills.yaml"
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    return edit


def _row(document: dict[str, Any], label: str) -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in document["skills"] if row["label"] == label)
    return row


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an unknown key of the file": (lambda d: d.update(extra=1), "exactly the keys firmware, speeds and skills"),
    "a missing key of the file": (lambda d: d.pop("speeds"), "exactly the keys"),
    "an unknown firmware": (lambda d: d.update(firmware="v9"), "firmware is 'v9', expected one of mcf, legacy"),
    "a speed of zero": (lambda d: d["speeds"].update(slow=0), "speeds must give a factor > 0"),
    "rows that are no list": (lambda d: d.update(skills={}), "skills must be a list"),
    "a row that is no mapping": (lambda d: d["skills"].append("sit"), "expected a mapping, got 'sit'"),
    "an unknown key of a row": (lambda d: _row(d, "sit").update(gaurd="x"), "unknown key 'gaurd'; expected some of"),
    "a missing key of a row": (lambda d: _row(d, "sit").pop("guard"), "guard is missing"),
    "an unknown guard": (lambda d: _row(d, "sit").update(guard="brave"), "guard"),
    "two rows of a label": (lambda d: d["skills"].append(dict(d["skills"][0])), "label stop has two rows"),
    "an api id that is no number": (lambda d: _row(d, "sit").update(api={"mcf": "1009"}), "api of sit must hold whole"),
    "an unknown service": (lambda d: _row(d, "sit").update(service="legs"), "service"),
    "a dangerous velocity": (
        lambda d: _row(d, "move_forward").update(velocity={"vx": 9.0}),
        "velocity of move_forward must lie within 1.5",
    ),
    "a NaN bound": (
        lambda d: _row(d, "move_forward")["slots"]["distance_m"].update(max=math.nan),
        "slot distance_m must be",
    ),
    "an empty bound": (
        lambda d: _row(d, "move_forward")["slots"]["distance_m"].update(min=9.0),
        "slot distance_m needs min <= max",
    ),
    "an unknown slot": (lambda d: _row(d, "move_forward")["slots"].update(height={}), "slots"),
    "an unknown posture": (lambda d: _row(d, "sit").update({"from": ["floating"]}), "from"),
    "a name without Chinese": (lambda d: _row(d, "sit").update(name={"en": "sit"}), "name of sit needs en and zh"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_says_where_and_what(
    edited: Callable[[Callable[[dict[str, Any]], object]], Path], case: str
) -> None:
    change, message = WRONG[case]
    with pytest.raises(ConfigError, match=message) as caught:
        load_skills(edited(change))
    assert "skills.yaml" in str(caught.value)


def test_text_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "skills.yaml"
    for content in (b"firmware: [", b"\xff\xfe\x00", b""):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"skills\.yaml"):
            load_skills(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_skills(tmp_path / "absent.yaml")
