"""skill_node: accepted intents become Unitree requests, as far as the guard allows.

One thread. A spoken stop does not pass here: stop_node sends it and tells this node, which then ends what was going on.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header

from shadow_intent import msg
from shadow_intent.errors import ConfigError, InputError, RobotError
from shadow_intent.gate import takes_fast_path
from shadow_intent.guard import Guard
from shadow_intent.intent import Route, is_chinese
from shadow_intent.jobs import Command, Rules, Say, Send
from shadow_intent.motion import Ramps
from shadow_intent.nodes import interfaces
from shadow_intent.nodes.convert import say_to_msg, slots_from_msg, stamp_to_ns, status_to_msg
from shadow_intent.nodes.dds import unsafe_reason
from shadow_intent.nodes.diagnose import diagnostics
from shadow_intent.nodes.entities import Entities, pace, seconds
from shadow_intent.nodes.params import Parameters, SkillParams
from shadow_intent.nodes.robot_link import Event, RobotLink
from shadow_intent.nodes.run import run
from shadow_intent.skills import load_skills

LAST_WORDS_S = 0.2
"""How long a closing node waits until stop_node has its last StopMove, seconds."""


class SkillNode(LifecycleNode):
    """The lifecycle node. Commands are accepted only while it is active."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node."""
        super().__init__("skill_node", automatically_declare_parameters_from_overrides=True, **options)
        self._declared = Parameters(self, SkillParams)
        self._entities = Entities(self)
        self._lock = threading.Lock()  # `close` comes from another thread
        self._active = False

    def close(self) -> None:
        """Stops the robot if it moves."""
        if self._active:
            self._deactivate()

    @property
    def ready(self) -> bool:
        """True while active and everything is known that a skill needs."""
        if not self._active:
            return False
        world, now = self.guard.world, seconds(self._pace)
        return world.fresh(now) and world.stoppable(now)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Reads parameters and skills; fails, naming the reason, when they are wrong or DDS is unsafe for a robot."""
        try:
            values = self._declared.read()
            if values.robot == "real" and (reason := unsafe_reason()) is not None:
                raise RobotError(reason)
            table = load_skills(Path(values.skills_file) if values.skills_file else None)
            ramps = Ramps(values.linear_acceleration, values.angular_acceleration)
            new_id = itertools.count(time.monotonic_ns()).__next__  # unique, as in Unitree's SDK
            self.guard = Guard(table, values.firmware or table.firmware, _rules(values), ramps, new_id)
        except (ConfigError, RobotError) as error:
            self.get_logger().error(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        self._pace = pace(self)
        self._robot = RobotLink(self._entities, self._tell, new_id)
        self._status = self._entities.publisher(interfaces.SKILL_STATUS)
        self._reply = self._entities.publisher(interfaces.REPLY)
        self._diagnostics = self._entities.publisher(interfaces.DIAGNOSTICS)
        self._entities.subscribe(interfaces.INTENT, self._on_intent)
        self._entities.subscribe(interfaces.SKILL_COMMAND, self._on_skill_command)
        self._entities.timer(values.move_rate_hz, lambda: self._tell(Guard.tick))
        self._entities.timer(values.diagnostics_hz, self._diagnose)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Commands are accepted from now on."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the robot if it moves; commands are ignored from now on."""
        self._deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        self._entities.destroy()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the robot if it moves, then lets go of everything."""
        self.close()
        return self.on_cleanup(state)

    def _deactivate(self) -> None:
        self._active = False
        self._tell(Guard.shut_down)
        self._robot.flush(LAST_WORDS_S)

    def _tell(self, event: Event) -> None:
        """The guard hears of an event; what it wants is published, in order."""
        with self._lock:
            header = Header(stamp=self.get_clock().now().to_msg())
            for action in event(self.guard, seconds(self._pace)) or ():
                if isinstance(action, Send):
                    self._robot.send(action.request)
                elif isinstance(action, Say):
                    self._reply.publish(say_to_msg(action, header))
                else:
                    self._status.publish(status_to_msg(action, header))

    def _on_intent(self, message: msg.Intent) -> None:
        if message.decision == Route.SKILL.value and not takes_fast_path(message.label):
            self._command(message, message.text, spoken=message.source != msg.Intent.SOURCE_CLOUD)

    def _on_skill_command(self, message: msg.SkillCommand) -> None:
        if not takes_fast_path(message.label, message.step, message.source):
            self._command(message, "", spoken=False, step=message.step)

    def _command(self, message: Any, text: str, spoken: bool, step: int = 0) -> None:
        if not self._active:
            return
        age_s = (self.get_clock().now().nanoseconds - stamp_to_ns(message.header.stamp)) * 1e-9
        language = message.language or ("zh" if is_chinese(text) else "en")
        command = Command(
            message.utterance_id,
            message.label,
            session_id=message.session_id,
            language=language,
            spoken=spoken,
            step=step,
            age_s=age_s,
        )
        self.guard.world.rules = _rules(self._declared.read())
        try:
            command = replace(command, slots=slots_from_msg(message.slots))
        except InputError as error:
            detail = str(error)
            self._tell(lambda guard, now: guard.reject(command, detail))
        else:
            self._tell(lambda guard, now: guard.command(command, now))

    def _diagnose(self) -> None:
        """Warns while the robot's state or stop_node is missing."""
        world, now = self.guard.world, seconds(self._pace)
        if self._active and world.avoiding is None:
            self._robot.ask_avoidance()
        problem = "" if world.fresh(now) else f"no recent message on {interfaces.SPORT_STATE.name}"
        problem = problem if world.stoppable(now) else "stop_node does not run: nothing moves"
        values = {
            "active": self._active,
            "firmware": world.firmware,
            "state_age_s": f"{now - world.state_at:.3f}",
            "stop_node_age_s": f"{now - world.stop_node_at:.3f}",
            "posture": world.state.posture,
            "battery_percent": world.battery,
            "avoids_obstacles": world.avoiding,
            "moving": self.guard.moving,
            "jobs": self.guard.jobs,
            "hazardous_allowed": world.rules.allow_hazardous,
        }
        self._diagnostics.publish(diagnostics(self, "robot", problem, "following the robot", values))


def _rules(values: SkillParams) -> Rules:
    return Rules(**{item.name: getattr(values, item.name) for item in fields(Rules)})


def main() -> int:
    """Entry point of the executable."""
    return run(SkillNode)


if __name__ == "__main__":
    sys.exit(main())
