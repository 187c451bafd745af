"""skill_node: accepted intents become Unitree requests, as far as the guard allows.

One thread. A spoken stop does not pass here: stop_node sends it and tells this node, which then ends what was going on.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from std_msgs.msg import Header

from shadow_intent import msg
from shadow_intent.errors import RobotError
from shadow_intent.gate import takes_fast_path
from shadow_intent.guard import Guard
from shadow_intent.intent import Route
from shadow_intent.jobs import Rules, Say, Send
from shadow_intent.motion import Ramps
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import command_from_msg, say_to_msg, status_to_msg
from shadow_intent.nodes.dds import unsafe_reason
from shadow_intent.nodes.diagnose import diagnostics
from shadow_intent.nodes.entities import pace, seconds
from shadow_intent.nodes.managed import ManagedNode
from shadow_intent.nodes.params import SkillParams
from shadow_intent.nodes.robot_link import Event, RobotLink
from shadow_intent.nodes.run import run
from shadow_intent.route import AFFIRM, REFUSED
from shadow_intent.skills import load_skills

LAST_WORDS_S = 0.2
"""How long a closing node waits until stop_node has its last StopMove, seconds."""


class SkillNode(ManagedNode[SkillParams]):
    """The lifecycle node. Commands are accepted only while it is active."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node."""
        super().__init__("skill_node", SkillParams, **options)
        self._lock = threading.Lock()  # `close` comes from another thread

    def close(self) -> None:
        """Stops the robot if it moves."""
        self.rest()

    @property
    def ready(self) -> bool:
        """True while active and everything is known that a skill needs."""
        if not self.active:
            return False
        world, now = self.guard.world, seconds(self._pace)
        return world.fresh(now) and world.stoppable(now)

    def set_up(self, values: SkillParams) -> None:
        """Reads the skills; raises RobotError too, when DDS is unsafe for a robot."""
        if values.robot == "real" and (reason := unsafe_reason()) is not None:
            raise RobotError(reason)
        table = load_skills(Path(values.skills_file) if values.skills_file else None)
        ramps = Ramps(values.linear_acceleration, values.angular_acceleration)
        new_id = itertools.count(time.monotonic_ns()).__next__  # unique, as in Unitree's SDK
        self.guard = Guard(table, values.firmware or table.firmware, _rules(values), ramps, new_id)
        self._pace = pace(self)
        self._now = seconds(self._pace)
        self._robot = RobotLink(self.entities, self._tell, new_id, lambda: self.active)
        self._status = self.entities.publisher(interfaces.SKILL_STATUS)
        self._reply = self.entities.publisher(interfaces.REPLY)
        self._diagnostics = self.entities.publisher(interfaces.DIAGNOSTICS)
        self.entities.subscribe(interfaces.INTENT, self._on_intent)
        self.entities.subscribe(interfaces.SKILL_COMMAND, self._on_skill_command)
        self.entities.timer(values.move_rate_hz, self._tick)
        self.entities.timer(values.diagnostics_hz, self._diagnose)

    def stand_down(self) -> None:
        """Stops the robot if it moves."""
        self._tell(Guard.shut_down)
        self._robot.flush(LAST_WORDS_S)

    def _tell(self, event: Event) -> None:
        """The guard hears of an event; what it wants is published, in order."""
        with self._lock:
            header = Header(stamp=self.get_clock().now().to_msg())
            before, self._now = self._now, seconds(self._pace)
            actions = self.guard.clock_set_back(self._now) if self._now < before else []
            for action in (*actions, *(event(self.guard, self._now) or ())):
                if isinstance(action, Send):
                    self._robot.send(action.request)
                elif isinstance(action, Say):
                    self._reply.publish(say_to_msg(action, header))
                else:
                    self._status.publish(status_to_msg(action, header))

    def _tick(self) -> None:
        self.guard.world.rules = _rules(self.declared.read())  # an operator may change them at any time
        self._tell(Guard.tick)

    def _on_intent(self, message: msg.Intent) -> None:
        spoken = message.source != msg.Intent.SOURCE_CLOUD
        if message.decision == Route.SKILL.value and not takes_fast_path(message.label, spoken):
            self._command(message, message.text, spoken)
        if self.active and _asks_for_something_else(message):
            self._tell(Guard.withdraw)

    def _on_skill_command(self, message: msg.SkillCommand) -> None:
        if not takes_fast_path(message.label, spoken=False, step=message.step):
            self._command(message, "", spoken=False, step=message.step)

    def _command(self, message: Any, text: str, spoken: bool, step: int = 0) -> None:
        if not self.active:
            return
        self.guard.world.rules = _rules(self.declared.read())
        command, problem = command_from_msg(message, text, spoken, step, self.get_clock().now().nanoseconds)
        if problem:
            self._tell(lambda guard, now: guard.reject(command, problem, now))
        else:
            self._tell(lambda guard, now: guard.command(command, now))

    def _diagnose(self) -> None:
        """Warns while the robot's state or stop_node is missing."""
        world, now = self.guard.world, seconds(self._pace)
        if self.active:
            self._robot.ask_avoidance()  # others may switch it too
        values = {
            "active": self.active,
            **world.values(now),
            "moving": self.guard.moving,
            "jobs": self.guard.jobs,
            "hazardous_allowed": world.rules.allow_hazardous,
        }
        self._diagnostics.publish(diagnostics(self, "robot", world.problem(now), "following the robot", values))


def _asks_for_something_else(message: msg.Intent) -> bool:
    """Whether a yes that follows would not surely answer what the robot asked before."""
    if message.decision == Route.REMOTE.value:  # an unsure yes may be said again, unless the cloud has answered it
        return (message.label == AFFIRM) == (message.source == msg.Intent.SOURCE_CLOUD)
    return message.decision == Route.IGNORE.value and message.reason.startswith(REFUSED)


def _rules(values: SkillParams) -> Rules:
    return Rules(**{item.name: getattr(values, item.name) for item in fields(Rules)})


def main() -> int:
    """Entry point of the executable."""
    return run(SkillNode)


if __name__ == "__main__":
    sys.exit(main())
