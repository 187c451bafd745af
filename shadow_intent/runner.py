"""Carries jobs through their stages, from the first request to the last response. A part of the guard."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shadow_intent.jobs import Job, Outbox, Stage
from shadow_intent.motion import Goal, Motion, Ramps
from shadow_intent.robot import BALANCE_STAND, CODES, OK, Request
from shadow_intent.skills import Skill, SkillTable
from shadow_intent.world import World

LAUNCH_DELAY_S = 2.0
"""At least so long between the warning and a hazardous skill, seconds: time to step back and to say no."""
UNCLAIMED = 16
"""So many answers are kept until somebody says that they are theirs."""


class Runner:
    """The jobs under way. At most one of them owns the body."""

    def __init__(
        self,
        table: SkillTable,
        world: World,
        ramps: Ramps,
        new_id: Callable[[], int],
        outbox: Outbox,
        on_end: Callable[[Job, bool, float], None],
    ) -> None:
        """`new_id`: a request id never given before. `on_end(job, succeeded, now)` follows a job's last status."""
        self.jobs: list[Job] = []
        self._table, self._world, self._ramps, self._new_id = table, world, ramps, new_id
        self._out, self._on_end = outbox, on_end
        self._levels: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._pace = "normal"
        self._unclaimed: deque[tuple[int, int]] = deque(maxlen=UNCLAIMED)
        """Request ids and codes of the last answers to nobody's request."""
        self._ticks: Mapping[Stage, Callable[[Job, float], None]] = {
            Stage.ASKED: lambda job, now: self._expire(job, now, "refused", "expired"),
            Stage.PREPARING: self._prepare,
            Stage.SENT: self._await_answer,
            Stage.ACTING: self._act,
            Stage.MOVING: self._move,
            Stage.STOPPING: self._await_stop,
        }

    def start(self, job: Job, now: float) -> None:
        """Takes the body from its owner, prepares the posture, launches."""
        if job.exclusive:
            for owner in [j for j in self.jobs if j.exclusive and j is not job and j.stage is not Stage.ASKED]:
                if owner.skill.guard != "posture":
                    self.send_stop()
                self.end(owner, "preempted", now, "replaced")
            if job.skill.guard == "confirm":
                job.launch_at = now + LAUNCH_DELAY_S
                self._out.status(job, "running", "warning")
                self._out.announce(job)
        self._begin(job, now)

    def call_off(self, now: float) -> None:
        """Somebody wants something else: what people were warned of and has not begun is not done."""
        for job in [j for j in self.jobs if j.stage is Stage.PREPARING and j.launch_at is not None]:
            self._halt(job, now, "preempted", "replaced")

    def _begin(self, job: Job, now: float) -> None:
        job.stage, job.deadline = Stage.PREPARING, max(now, job.launch_at or now) + 2 * self._table["stand_up"].seconds
        job.prepared.clear()
        self._prepare(job, now)

    def tick(self, now: float) -> None:
        """Time passed."""
        for job in list(self.jobs):
            if job in self.jobs:
                self._ticks[job.stage](job, now)

    def response(self, request_id: int, code: int, now: float) -> None:
        """The robot answered a request. An answer to nobody's is kept for a while: see `claim`."""
        for job in self.jobs:
            if job.request is None or job.request.id != request_id:
                continue
            if job.stage not in (Stage.PREPARING, Stage.SENT, Stage.STOPPING):
                return
            job.code = code
            if code != OK:
                if job.stage is Stage.STOPPING:
                    self.send_stop()
                self.end(job, "refused", now, "code", detail=CODES.get(code, "an error of its own"), code=code)
            elif job.stage is Stage.PREPARING:
                return  # the posture shows whether it worked
            elif job.stage is Stage.STOPPING or job.skill.guard == "fast_path":
                self._succeed(job, now)
            else:
                job.stage, job.deadline = Stage.ACTING, now + job.skill.seconds
            return
        self._unclaimed.append((request_id, code))

    def claim(self, request: Request, now: float) -> None:
        """stop_node sent the request: the robot's answer may have been here before its word of it."""
        for request_id, code in self._unclaimed:
            if request_id == request.id:
                self.response(request_id, code, now)
                return

    def end(self, job: Job, state: str, now: float, key: str, leave_mode: bool = True, **values: Any) -> None:
        """Takes a job out, unsuccessful."""
        self.jobs.remove(job)
        if leave_mode:
            self._leave_mode(job)
        self._out.status(job, state, key, **values)
        self._out.say(job.command, key, **values)
        self._on_end(job, False, now)

    def send_stop(self) -> None:
        """StopMove, without waiting for its answer."""
        self._out.send(self.request(self._table["stop"]))

    def forget_pace(self) -> None:
        """Who stops the robot does not expect it to walk fast next."""
        self._pace = "normal" if self._pace == "fast" else self._pace

    def request(self, skill: Skill) -> Request:
        """A new request with the skill's parameter or its next level."""
        parameter = dict(skill.parameter)
        if (level := skill.level) is not None:
            value = self._levels.get(level.name, level.start) + level.step if level.set is None else level.set
            parameter[level.name] = max(level.min, min(level.max, value))
        return Request(self._new_id(), skill.service, self._api(skill), parameter)

    def _api(self, skill: Skill) -> int:
        """The API id for this firmware and posture; of several, each in turn."""
        if "sitting" in skill.api and self._world.state.posture == "sitting":
            return skill.api["sitting"][0]
        ids = skill.api[self._world.firmware]
        turn = self._turns[skill.label] = self._turns.get(skill.label, -1) + 1
        return ids[turn % len(ids)]

    def _prepare(self, job: Job, now: float) -> None:
        """Stands up and unlocks the joints where the skill needs it, each asked for once, then launches.

        A hazardous skill begins when people have had time to step back and the robot is at rest.
        """
        state = self._world.state
        if not job.exclusive:
            self._launch(job, now)
        elif not self._world.stoppable(now):
            self.end(job, "timed_out", now, "no_stop_node")
        elif not self._world.fresh(now):
            self.end(job, "timed_out", now, "no_state")
        elif self._world.controlled(now):
            self.end(job, "preempted", now, "controller")
        elif now > job.deadline:
            rests = job.launch_at is None or self._world.at_rest(now)
            self.end(job, "timed_out", now, "posture_missed" if rests else "restless")
        elif self._world.forbidden(job.skill):
            self.end(job, "refused", now, "hazardous", name=job.name)
        elif state.posture in ("fallen", "damped") and state.posture not in job.skill.postures:
            self.end(job, "preempted", now, state.posture)
        elif state.posture not in job.skill.postures:
            if "stand_up" not in job.prepared:
                job.prepared.add("stand_up")
                self._run(job, self.request(self._table["stand_up"]), "rising")
        elif state.locked and job.skill.guard != "posture":
            if "unlock" not in job.prepared:
                job.prepared.add("unlock")
                self._out.send(Request(self._new_id(), "sport", BALANCE_STAND))
        elif job.launch_at is None or (now >= job.launch_at and self._world.at_rest(now)):
            self._launch(job, now)

    def _launch(self, job: Job, now: float) -> None:
        """Sends what the skill is made of."""
        if job.skill.label == "slow_down":
            self._slow_down()
        if job.skill.service == "obstacles_avoid" and not job.skill.parameter["enable"]:
            self._world.avoiding = False  # from now on it may not, whether or not it answers
        if job.skill.action == "motion":
            factor = self._table.speeds[job.command.slots.speed or self._pace]
            goal = Goal.of(job.skill, job.command.slots, factor)
            job.motion, job.stage = Motion(goal, self._ramps, self._world.state, now), Stage.MOVING
            self._move(job, now)
        else:
            job.stage, job.deadline = Stage.SENT, now + self._world.rules.response_timeout_s
            self._run(job, self.request(job.skill))
            if job.launch_at is None:
                self._out.announce(job)

    def _slow_down(self) -> None:
        """What moves now goes on at the slow pace."""
        for job in self.jobs:
            if job.motion is not None:
                slow = Goal.of(job.skill, job.command.slots, self._table.speeds["slow"]).speed
                job.motion.goal = replace(job.motion.goal, speed=min(slow, job.motion.goal.speed, key=abs))

    def _run(self, job: Job, request: Request, key: str = "") -> None:
        job.request = request
        self._out.send(request)
        self._out.status(job, "running", key)

    def _move(self, job: Job, now: float) -> None:
        """One velocity, or the reason to end; every way out sends StopMove."""
        motion, world = job.motion, self._world
        assert motion is not None
        if not world.stoppable(now):
            self._halt(job, now, "timed_out", "no_stop_node")
        elif not world.fresh(now):
            self._halt(job, now, "timed_out", "no_state")
        elif world.controlled(now):
            self._halt(job, now, "preempted", "controller")
        elif (misplaced := world.misplaced(job)) is not None:
            self._halt(job, now, "preempted", misplaced[0], **misplaced[1])
        elif job.skill.walks and world.avoiding is False and not job.unprotected:
            self._halt(job, now, "preempted", "unprotected")
        elif motion.overdue(now):
            self._halt(job, now, "timed_out", "posture_missed")
        elif (velocity := motion.step(world.state, now)) is None:
            job.stage, job.deadline = Stage.STOPPING, now + world.rules.response_timeout_s
            job.request = self.request(self._table["stop"])
            self._out.send(job.request)
        else:
            api = self._api(job.skill)
            move = Request(self._new_id(), job.skill.service, api, velocity.parameter(), noreply=True)
            if "moved" in job.prepared:
                self._out.send(move)
            else:
                job.prepared.add("moved")
                self._run(job, move)

    def _await_stop(self, job: Job, now: float) -> None:
        """A StopMove that nobody answers is sent once more."""
        if now > job.deadline:
            self._halt(job, now, "timed_out", "no_answer")

    def _await_answer(self, job: Job, now: float) -> None:
        """What nobody answers the robot may be doing all the same. It changes its posture to the end anyway."""
        if job.exclusive and job.skill.guard != "posture" and now > job.deadline:
            self._halt(job, now, "timed_out", "no_answer")
        else:
            self._expire(job, now, "timed_out", "no_answer")

    def _halt(self, job: Job, now: float, state: str, key: str, **values: Any) -> None:
        self.send_stop()
        self.end(job, state, now, key, **values)

    def _expire(self, job: Job, now: float, state: str, key: str) -> None:
        if now > job.deadline:
            self.end(job, state, now, key)

    def _act(self, job: Job, now: float) -> None:
        """The robot is busy for the skill's seconds; within as long again it must show the posture it was to reach."""
        target = job.skill.until
        if job.exclusive and self._world.controlled(now):
            self.end(job, "preempted", now, "controller")
        elif now < job.deadline:
            return
        elif target and not (self._world.fresh(now) and self._world.state.posture == target):
            self._expire(job, now - job.skill.seconds, "timed_out", "posture_missed")
        elif job.exclusive and not _is_mode(job) and self._world.state.posture == "fallen":
            self.end(job, "preempted", now, "fallen")
        elif job.repeats > 1 and (refusal := self._world.refusal(job, now)) is not None:
            self.end(job, "preempted", now, refusal[0], **refusal[1])
        elif job.repeats > 1:
            job.repeats -= 1
            self._begin(job, now)
        else:
            self._succeed(job, now)

    def _succeed(self, job: Job, now: float) -> None:
        level = job.skill.level
        if level is not None and job.request is not None:
            self._levels[level.name] = job.request.parameter[level.name]
        if job.skill.service == "obstacles_avoid":
            self._world.avoiding = job.skill.parameter["enable"]
        if job.skill.label in ("speed_up", "slow_down"):
            self._pace = "fast" if job.skill.label == "speed_up" else "slow"
        self.jobs.remove(job)
        self._leave_mode(job)
        self._out.status(job, "succeeded")
        self._on_end(job, True, now)

    def _leave_mode(self, job: Job) -> None:
        """A mode is switched off when its job ends."""
        if job.stage in (Stage.SENT, Stage.ACTING) and job.request is not None and _is_mode(job):
            self._out.send(Request(self._new_id(), job.request.service, job.request.api_id, {"data": False}))


def _is_mode(job: Job) -> bool:
    """{"data": true} switches on a mode, which lasts until switched off. Upside down in a handstand is no fall."""
    return job.skill.parameter.get("data") is True
