"""What reaches the robot's sport service: the last rule before the wire. No ROS, no clock.

Every request was made under an epoch, and a stop begins another one: what was decided before it must not follow it.
"""

from __future__ import annotations

from shadow_intent.robot import DAMP, MOVE, SPEED_LEVEL, STOP_MOVE

FAST_PATH = {"stop": STOP_MOVE, "damp": DAMP}
"""Labels that pass every rule, and their sport API ids, the same on every firmware."""
NEWER_S = 0.5
"""After so long without a word of the leading stop_node another one leads, seconds: it speaks ten times a second."""


def takes_fast_path(label: str, spoken: bool = True, step: int = 0) -> bool:
    """Whether a command is for stop_node. A plan may begin with a stop; that the robot goes limp, a person has to say.

    `spoken`: an Intent that is not the cloud's, no SkillCommand; `step`: of a SkillCommand.
    """
    return label in FAST_PATH and step == 0 and (spoken or label == "stop")


def begins_anew(api_id: int, parameter: str) -> bool:
    """Whether a request to the sport service has the robot do something new, which no earlier stop may end.

    Switching a mode off is nothing new, nor is another speed: the robot may still be walking.
    """
    return api_id not in (STOP_MOVE, DAMP, SPEED_LEVEL) and parameter.replace(" ", "") != '{"data":false}'


class Gate:
    """Used from one thread."""

    def __init__(self, epoch: int) -> None:
        """`epoch`: higher than any before the process started."""
        self.epoch = epoch
        self.moving = False
        """The robot was told a velocity, and no stop since."""
        self.dropped = 0
        """Requests of another epoch so far."""

    def passes(self, epoch: int, api_id: int) -> bool:
        """Whether a request made under `epoch` may go out; one that may is taken as sent."""
        if epoch != self.epoch:
            self.dropped += 1
            return False
        self.moving = api_id == MOVE or (self.moving and api_id not in FAST_PATH.values())
        return True

    def stopped(self) -> None:
        """StopMove or Damp went out ahead of everything else."""
        self.epoch += 1
        self.moving = False


class Epochs:
    """Whose epochs count while more than one stop_node runs: those of the one that was started last."""

    def __init__(self) -> None:
        self.epoch, self._at = 0, 0.0

    def news(self, epoch: int, now: float) -> bool | None:
        """Whether `epoch` is another one than before; None when an older stop_node says so beside a newer one."""
        if epoch < self.epoch and now - self._at < NEWER_S:
            return None
        before, self.epoch, self._at = self.epoch, epoch, now
        return before not in (0, epoch)
