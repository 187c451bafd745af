"""The nouns of the guard: commands in, actions out, and the jobs between."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from shadow_intent.intent import NO_SLOTS, Slots
from shadow_intent.motion import Motion
from shadow_intent.robot import Request
from shadow_intent.skills import Skill
from shadow_intent.speech import sentence

MAX_PLAN_STEPS = 8
"""Longer plans are refused: nobody can foresee where they end."""
MAX_JOBS = 8
"""Jobs under way at once; of a burst the newest win. A speaker never gets there."""
UNANSWERED = -1
"""Response code while there is none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guard insists on; the parameters of skill_node of the same names."""

    allow_hazardous: bool
    """Operator switch for skills guarded by confirm."""
    confirm_window_s: float
    """Seconds to answer a confirmation."""
    state_timeout_s: float
    """Seconds without a robot state or a word of stop_node after which nothing moves."""
    max_command_age_s: float
    """Seconds; older commands are refused."""
    duplicate_window_s: float
    """Seconds within which the same command again is dropped."""
    response_timeout_s: float
    """Seconds for the robot to answer a request."""
    min_battery_percent: int
    """Percent, in [0, 100]; below it the robot only rests."""


@dataclass(frozen=True, slots=True)
class Command:
    """One skill somebody wants."""

    utterance_id: str
    label: str
    slots: Slots = NO_SLOTS
    session_id: str = ""
    """The dialogue: a yes answers only a question that was asked in it."""
    language: str = "en"
    """Of the answer, "en" or "zh"."""
    spoken: bool = True
    """False for a plan step: it may not answer a question."""
    step: int = 0
    """0-based position in the plan of its utterance."""
    age_s: float = 0.0
    """Seconds since its stamp; negative when the stamp lies in the future."""
    holds_stop: bool = False
    """Its own words hold a stop, as "sit and don't move" does, for which the robot ceased before the command came."""


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a request."""

    request: Request


@dataclass(frozen=True, slots=True)
class Say:
    """Speak."""

    utterance_id: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Status:
    """Publish a skill_status."""

    utterance_id: str
    label: str
    state: str
    """A constant of msg/SkillStatus.msg."""
    reason: str = ""
    request: Request | None = None
    """The request that went to the robot, if any."""
    code: int = UNANSWERED
    """The robot's response code."""


Action = Send | Say | Status


class Stage(Enum):
    """Where a job is, and in parentheses when that ends by itself."""

    ASKED = "waits for a yes or no (confirm_window_s)"
    PREPARING = "stands up, unlocks its joints, rests after a warning (twice what stand_up takes, and the delay)"
    SENT = "waits for the robot's response (response_timeout_s)"
    ACTING = "the robot does it (the skill's seconds)"
    MOVING = "velocities are streamed (the goal's time limit)"
    STOPPING = "the goal is reached, StopMove waits for its response (response_timeout_s)"


@dataclass(slots=True, eq=False)
class Job:
    """A command on its way through the stages."""

    command: Command
    skill: Skill
    stage: Stage
    deadline: float
    """When the stage ends by itself, seconds of the guard's clock."""
    repeats: int = 1
    """How often the robot still does it, including this time."""
    request: Request | None = None
    """The one the status shows: the last sent, or the first Move of a motion."""
    code: int = UNANSWERED
    motion: Motion | None = None
    asked_at: float = -math.inf
    """When ASKED began, seconds of the guard's clock."""
    launch_at: float | None = None
    """When a hazardous skill of which people were warned may begin at the earliest, seconds of the guard's clock."""
    unprotected: bool = False
    """It was asked for, or agreed to, while the robot did not avoid obstacles."""
    prepared: set[str] = field(default_factory=set)
    """What was already sent in PREPARING."""

    @property
    def name(self) -> str:
        """The skill as the speaker would call it."""
        return self.skill.name.get(self.command.language, self.skill.name["en"])

    @property
    def moves(self) -> bool:
        """See `Skill.moves`."""
        return self.skill.moves

    @property
    def exclusive(self) -> bool:
        """See `Skill.exclusive`."""
        return self.skill.exclusive


@dataclass(slots=True)
class Plan:
    """The steps of one utterance; each begins when the one before it has succeeded."""

    utterance_id: str
    next_step: int = 1
    """Of the next command to be taken in."""
    current: Job | None = None
    waiting: deque[Command] = field(default_factory=deque)


SILENT = frozenset({"duplicate", "old", "plan_dropped", "replaced", "shut_down", "stopped"})
"""Reasons that are published but not spoken."""


class Outbox:
    """The actions of one event, in order."""

    def __init__(self) -> None:
        self._actions: list[Action] = []

    def take(self) -> list[Action]:
        """The actions since the last call."""
        actions, self._actions = self._actions, []
        return actions

    def send(self, request: Request) -> None:
        """The robot is asked for something."""
        self._actions.append(Send(request))

    def status(self, job: Job, state: str, key: str = "", **values: Any) -> None:
        """A job entered a state. `key` and `values`: the reason, a sentence of speech.SENTENCES."""
        command, reason = job.command, sentence(key, "en", **values) if key else ""
        self._actions.append(Status(command.utterance_id, command.label, state, reason, job.request, job.code))

    def done(self, command: Command) -> None:
        """A command that needed nothing from the robot succeeded."""
        self._actions.append(Status(command.utterance_id, command.label, "succeeded"))

    def refuse(self, command: Command, key: str, **values: Any) -> None:
        """A command that never became a job is refused, aloud unless the reason is a silent one."""
        reason = sentence(key, "en", **values)
        self._actions.append(Status(command.utterance_id, command.label, "refused", reason))
        self.say(command, key, **values)

    def announce(self, job: Job) -> None:
        """Speaks what the skill says as it begins or before, if anything."""
        command = job.command
        if job.skill.say:
            text = job.skill.say.get(command.language, job.skill.say["en"])
            self._actions.append(Say(command.utterance_id, text, command.language))

    def say(self, command: Command, key: str, **values: Any) -> None:
        """Speaks the sentence in the command's language."""
        if key not in SILENT:
            text = sentence(key, command.language, **values)
            self._actions.append(Say(command.utterance_id, text, command.language))
