"""The body of mock_go2: a box on a flat floor that follows velocities, without legs and without ROS."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shadow_intent.nodes.go2 import GESTURES, Pose, Stance

LINEAR_SLEW, ANGULAR_SLEW = 4.0, 12.0
"""How fast its velocity follows a command, m/s^2 and rad/s^2; round numbers near the real ones."""
HEIGHTS = {"standing": 0.32, "sitting": 0.22, "lying": 0.08, "fallen": 0.1, "damped": 0.08}
"""Body height by posture, m."""


class MockBody:
    """A body without physics. Implements go2.Body."""

    gestures = frozenset(GESTURES)

    def __init__(self, posture: str) -> None:
        """`posture`: at start."""
        self.velocity = [0.0, 0.0, 0.0]
        self._posture = posture
        self.x = self.y = self.yaw = 0.0

    @property
    def pose(self) -> Pose:
        """Where it is."""
        roll = math.pi / 2 if self._posture == "fallen" else 0.0
        return Pose(self.x, self.y, HEIGHTS[self._posture], roll, 0.0, self.yaw)

    def advance(self, seconds: float, stance: Stance, target: Sequence[float]) -> None:
        """Moves on in time; the velocity approaches the target at a limited rate."""
        self._posture = stance.posture
        for axis, slew in enumerate((LINEAR_SLEW, LINEAR_SLEW, ANGULAR_SLEW)):
            step = slew * seconds
            self.velocity[axis] += max(-step, min(step, target[axis] - self.velocity[axis]))
        vx, vy, vyaw = self.velocity
        middle = self.yaw + 0.5 * vyaw * seconds
        self.x += (vx * math.cos(middle) - vy * math.sin(middle)) * seconds
        self.y += (vx * math.sin(middle) + vy * math.cos(middle)) * seconds
        self.yaw = math.remainder(self.yaw + vyaw * seconds, math.tau)
