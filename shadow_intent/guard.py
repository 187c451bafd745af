"""Whether a skill runs: a state machine over commands, robot state, responses and time. No ROS, no clock.

Each method takes what happened and the time `now` (seconds of any steady clock) and returns the actions to carry out,
in order. A newer command preempts the job that owns the body; `stop` and `damp` pass every rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from shadow_intent.errors import InputError
from shadow_intent.gate import FAST_PATH, takes_fast_path
from shadow_intent.intent import printable
from shadow_intent.jobs import MAX_JOBS, MAX_PLAN_STEPS, Action, Command, Job, Outbox, Plan, Rules, Stage
from shadow_intent.motion import Ramps
from shadow_intent.robot import Request, RobotState
from shadow_intent.runner import Runner
from shadow_intent.skills import Skill, SkillTable
from shadow_intent.speech import POSTURE_NAMES
from shadow_intent.world import LONG_AGO, World

SOONEST_YES_S = 0.3
"""A yes that was spoken sooner after the question does not answer it: nobody has heard it to its end by then."""
MAX_NAME_CHARS = 40
"""So much of an unknown skill's name is said aloud."""


class Guard:
    """Admits commands, asks for confirmation, keeps plans in order."""

    def __init__(self, table: SkillTable, firmware: str, rules: Rules, ramps: Ramps, new_id: Callable[[], int]) -> None:
        """`new_id`: a request id never given before. Raises ConfigError when the table lacks a needed skill."""
        table.require((*FAST_PATH, "stand_up"))
        self.world = World(firmware, rules)
        """What is known about the robot; its rules may be replaced between events."""
        self._table = table
        self._out = Outbox()
        self._runner = Runner(table, self.world, ramps, new_id, self._out, self._ended)
        self._plan: Plan | None = None
        self._last: tuple[object, float] = (None, LONG_AGO)
        self._stops = deque([LONG_AGO] * 2, maxlen=2)
        """When the robot was stopped the last two times."""

    def robot(self, state: RobotState, now: float) -> None:
        """A robot state arrived."""
        self.world.see(state, now)

    def stop_node(self, now: float) -> None:
        """stop_node said that it runs."""
        self.world.stop_node_at = now

    def power(self, battery_percent: float) -> None:
        """A battery level arrived, percent."""
        self.world.battery = battery_percent

    def avoidance(self, on: bool) -> None:
        """The robot said whether it avoids obstacles."""
        self.world.avoiding = on

    def controller(self, now: float) -> None:
        """Somebody uses the hand controller."""
        self.world.controller_at = now

    def response(self, request_id: int, code: int, now: float) -> list[Action]:
        """The robot answered a request."""
        self._runner.response(request_id, code, now)
        return self._out.take()

    def tick(self, now: float) -> list[Action]:
        """Time passed; call at the rate of streamed velocities."""
        self._runner.tick(now)
        return self._out.take()

    def command(self, command: Command, now: float) -> list[Action]:
        """Somebody wants a skill."""
        try:
            skill = self._table[command.label]
        except InputError:
            self._withdraw(now)
            self._out.refuse(command, "unknown", name=printable(command.label[:MAX_NAME_CHARS]))
            return self._out.take()
        if takes_fast_path(command.label, command.spoken, command.step):
            return self.stop(command, now)
        if skill.action == "none" or not self._fits(command, skill, now):
            return self._out.take()
        if skill.action == "confirmation":
            self._answer(command, now)
        elif skill.action == "status":
            self._withdraw(now)
            self._report(command)
        elif command.step > 0:
            self._queue(command, now)
        else:
            self._drop("replaced", now)
            self._runner.call_off(now)
            self._plan = Plan(command.utterance_id)
            self._begin(command, now)
        return self._out.take()

    def reject(self, command: Command, detail: str, now: float) -> list[Action]:
        """A command that could not be read."""
        self._withdraw(now)
        self._out.refuse(command, "bounds", detail=detail)
        return self._out.take()

    def stop(self, command: Command, now: float, sent: Request | None = None) -> list[Action]:
        """stop or damp: first the request, unless it was `sent` already, then the end of every movement and plan."""
        request = sent or self._runner.request(self._table[command.label])
        if sent is None:
            self._out.send(request)
        self._stops.append(now)
        self._end_movements("stopped", now, leave_modes=command.label != "damp")  # nothing may follow a damp
        self._runner.forget_pace()
        deadline = now + self.world.rules.response_timeout_s
        job = Job(command, self._table[command.label], Stage.SENT, deadline, request=request)
        self._runner.jobs.append(job)
        self._out.status(job, "accepted")
        self._out.status(job, "running")
        if sent is not None:
            self._runner.claim(sent, now)
        return self._out.take()

    def halted(self, now: float, began: bool = False) -> list[Action]:
        """stop_node stopped the robot without anybody having said so, or `began` anew and stopped nothing yet."""
        if began:
            self._runner.send_stop()  # whatever the one before had it do
        else:
            self._stops.append(now)
        self._end_movements("halted", now)
        return self._out.take()

    def withdraw(self, now: float) -> list[Action]:
        """Somebody asked for something else: a yes would not surely answer what the robot asked before."""
        self._withdraw(now)
        return self._out.take()

    def _withdraw(self, now: float) -> None:
        self._runner.call_off(now)
        if any(job.stage is Stage.ASKED for job in self._runner.jobs):
            self._drop("replaced", now)

    def _end_movements(self, key: str, now: float, leave_modes: bool = True) -> None:
        self._drop(key, now)
        for job in [j for j in self._runner.jobs if j.moves]:
            self._runner.end(job, "preempted", now, key, leave_mode=leave_modes)

    def clock_set_back(self, now: float) -> list[Action]:
        """A simulated clock went backwards: no deadline and no age means anything any more."""
        actions = self._give_up("clock", now)
        self.world.forget_times()
        self._last = None, LONG_AGO
        self._stops.extend([LONG_AGO] * 2)
        return actions

    def shut_down(self, now: float) -> list[Action]:
        """The node ends."""
        return self._give_up("shut_down", now)

    def _give_up(self, key: str, now: float) -> list[Action]:
        """A moving robot is stopped, everything else is given up."""
        if any(job.exclusive and job.stage is not Stage.ASKED for job in self._runner.jobs):
            self._runner.send_stop()
        self._drop(key, now)
        for job in list(self._runner.jobs):
            self._runner.end(job, "preempted", now, key)
        return self._out.take()

    @property
    def moving(self) -> bool:
        """True while velocities are streamed."""
        return any(job.stage is Stage.MOVING for job in self._runner.jobs)

    @property
    def jobs(self) -> int:
        """How many commands are under way or wait."""
        return len(self._runner.jobs) + (len(self._plan.waiting) if self._plan is not None else 0)

    def _fits(self, command: Command, skill: Skill, now: float) -> bool:
        """Refuses a command for when it was given and by whom."""
        if abs(command.age_s) > self.world.rules.max_command_age_s:
            self._out.refuse(command, "old", age=f"{command.age_s:.1f}")
        elif _spoken_at(command, now) < self._stops[0 if command.holds_stop else 1]:  # its own stop may be the last
            self._out.refuse(command, "stopped")
        elif not command.spoken and not (skill.plannable and command.label != "damp"):
            self._out.refuse(command, "not_spoken")
        elif command.step == 0 and self._heard_twice(command, now):
            self._out.refuse(command, "duplicate")
        else:
            return True
        return False

    def _heard_twice(self, command: Command, now: float) -> bool:
        key = (command.label, command.slots, command.spoken, command.session_id)
        last, at = self._last
        self._last = key, now
        return key == last and now - at < self.world.rules.duplicate_window_s

    def _begin(self, command: Command, now: float) -> None:
        """Admits a command and starts it, or asks for confirmation first."""
        skill = self._table[command.label]
        count = command.slots.count if skill.action == "request" else None
        deadline = now + self.world.rules.confirm_window_s
        job = Job(command, skill, Stage.ASKED, deadline, repeats=count or 1, asked_at=now)
        refusal = self.world.refusal(job, now)
        if refusal is not None:
            self._out.refuse(command, refusal[0], **refusal[1])
            self._drop("plan_dropped", now)
            return
        if self._plan is not None:
            self._plan.current = job
        self._make_room(now)
        self._runner.jobs.append(job)
        self._out.status(job, "accepted")
        job.unprotected = skill.walks and self.world.avoiding is False
        if skill.guard == "confirm" or job.unprotected:
            self._out.say(command, "ask_unprotected" if job.unprotected else "ask", name=job.name)
        else:
            self._runner.start(job, now)

    def _make_room(self, now: float) -> None:
        """Of a burst the newest win; the one that owns the body makes room only for another such."""
        oldest = next((j for j in self._runner.jobs if not j.exclusive), None)
        if len(self._runner.jobs) >= MAX_JOBS and oldest is not None:
            self._runner.end(oldest, "preempted", now, "replaced")

    def _queue(self, command: Command, now: float) -> None:
        """A later step of a plan."""
        plan = self._plan
        if plan is None or plan.utterance_id != command.utterance_id or command.step != plan.next_step:
            self._out.refuse(command, "plan_dropped")
        elif plan.next_step >= MAX_PLAN_STEPS:
            self._out.refuse(command, "overflow")
        else:
            plan.next_step += 1
            plan.waiting.append(command)
            self._advance(now)

    def _advance(self, now: float) -> None:
        """Starts the plan's next step once the one before has succeeded."""
        if self._plan is not None and self._plan.current is None and self._plan.waiting:
            self._begin(self._plan.waiting.popleft(), now)

    def _ended(self, job: Job, succeeded: bool, now: float) -> None:
        """A job left the runner: its plan goes on or ends."""
        if self._plan is None or self._plan.current is not job:
            return
        self._plan.current = None
        if succeeded:
            self._advance(now)
        else:
            self._drop("plan_dropped", now)

    def _drop(self, key: str, now: float) -> None:
        """Gives up the plan's waiting steps and an unanswered question."""
        plan, self._plan = self._plan, None
        for command in plan.waiting if plan is not None else ():
            self._out.refuse(command, key)
        for job in [j for j in self._runner.jobs if j.stage is Stage.ASKED]:
            self._runner.end(job, "preempted", now, key)

    def _answer(self, command: Command, now: float) -> None:
        """A yes or no. Only who was asked may say yes; anybody may say no."""
        job = next((j for j in self._runner.jobs if j.stage is Stage.ASKED), None)
        if job is None:
            self._take_back(command, now)
            return
        if command.label == "affirm" and command.session_id != job.command.session_id:
            self._out.refuse(command, "not_asked")
            return
        if command.label == "affirm" and _spoken_at(command, now) < job.asked_at + SOONEST_YES_S:
            self._out.refuse(command, "too_soon")
            return
        self._out.done(command)
        if command.label == "deny":
            self._runner.end(job, "refused", now, "cancelled")
        elif (refusal := self.world.refusal(job, now)) is not None:
            self._runner.end(job, "refused", now, refusal[0], **refusal[1])
        else:
            self._runner.start(job, now)

    def _take_back(self, command: Command, now: float) -> None:
        """A no without a question ends what is going on: the plan, and what the robot is doing."""
        jobs = [j for j in self._runner.jobs if j.exclusive] if command.label == "deny" else []
        if not jobs:
            self._out.refuse(command, "nothing_to_confirm")
            return
        self._runner.send_stop()
        self._drop("replaced", now)
        for job in jobs:
            self._runner.end(job, "preempted", now, "cancelled")
        self._out.done(command)

    def _report(self, command: Command) -> None:
        """Battery, posture and firmware, spoken."""
        world = self.world
        battery = "?" if world.battery is None else f"{world.battery:.0f}%"
        names = POSTURE_NAMES[world.state.posture]
        posture = "?" if world.state_at == LONG_AGO else names[command.language == "zh"]
        code = world.state.error_code
        self._out.say(command, "status", battery=battery, posture=posture, code=code)
        self._out.done(command)


def _spoken_at(command: Command, now: float) -> float:
    """Seconds of the guard's clock; no clock is far ahead."""
    return now - max(0.0, command.age_s)
