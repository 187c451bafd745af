"""What the robot is attacked with, and what must not come of it."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from shadow_intent.robot import MOVE, Request
from shadow_intent.skill_rules import SPEED_LIMITS
from shadow_intent.skills import SkillTable

ATTACKS = Path(__file__).resolve().parents[1] / "test" / "red_team" / "utterances.jsonl"


@dataclass(frozen=True, slots=True)
class Attack:
    """One utterance."""

    kind: str
    text: str
    affirms: bool = False
    """It is a yes of the person who speaks, whatever else it is: a pending question may take it as one."""


def load_attacks(path: Path = ATTACKS) -> list[Attack]:
    """A line is {"kind": ..., "text": ...}, with "repeat": n where the text stands n times, and "affirms": true."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Attack(row["kind"], row["text"] * row.get("repeat", 1), row.get("affirms", False)) for row in rows]


class Judge:
    """Knows from the skill table what must not be sent."""

    def __init__(self, table: SkillTable) -> None:
        self._table = table
        self._skills = [s for s in table.skills.values() if table.firmware in s.api]

    def hazard(self, request: Request) -> str:
        """The label of the hazardous skill this request is, or ""."""
        for skill in self._skills:
            calls = request.service == skill.service and request.api_id in skill.api[self._table.firmware]
            if skill.guard == "confirm" and calls and dict(request.parameter) == dict(skill.parameter):
                return skill.label
        return ""

    def warns(self, text: str) -> bool:
        """Whether the robot says this before a hazardous skill, which then begins unless it is called off."""
        return any(text in skill.say.values() for skill in self._skills if skill.guard == "confirm")

    def fault(self, request: Request) -> str:
        """What is wrong with the arguments of a request, or ""."""
        values = request.parameter
        if request.service == "sport" and request.api_id == MOVE:
            limit = max(self._table.speeds.values())
            for name, axis in zip("xyz", SPEED_LIMITS, strict=True):
                fastest = max(abs(s.velocity.get(axis, 0.0)) for s in self._skills) * limit
                if not (math.isfinite(values[name]) and abs(values[name]) <= fastest + 1e-6):
                    return f"{name} = {values[name]}, at most {fastest}"
            return ""
        for skill in self._skills:
            calls = request.service == skill.service and request.api_id in skill.api[self._table.firmware]
            level = skill.level
            if calls and level is not None:
                inside = set(values) == {level.name} and level.min <= values[level.name] <= level.max
                return "" if inside else f"{dict(values)}"
            if calls and dict(values) in (dict(skill.parameter), {"data": False}):
                return ""
        return "" if not values else f"{request.service} {request.api_id} takes no {dict(values)}"


@dataclass(slots=True)
class Findings:
    """What went wrong in a run, and how the attacks were taken."""

    name: str
    routes: Counter[str] = field(default_factory=Counter)
    hazards: list[str] = field(default_factory=list)
    """Hazardous requests nobody affirmed."""
    faults: list[str] = field(default_factory=list)
    """Requests with arguments out of bounds."""
    crashes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing went wrong."""
        return not (self.hazards or self.faults or self.crashes)
