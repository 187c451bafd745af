"""The robot's side of every topic: what mock_go2 and sim_go2 publish and answer, whatever body they have."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from unitree_api.msg import Request, Response
from unitree_go.msg import LowState, SportModeState, TimeSpec

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.go2 import Go2, Pose
from shadow_intent.nodes.params import Go2Params, Parameters

RELIABLE_STATE = interfaces.COMMANDS
"""The robot's state writers are reliable, depth 10; our readers ask for less."""


class Go2Node(Node):
    """A node that behaves as a Go2 on the wire."""

    def __init__(
        self, name: str, kind: type[Go2Params], make_robot: Callable[[Any, float], Go2], **options: Any
    ) -> None:
        """`kind`: of its parameters; `make_robot(values, now)`; `options` go to rclpy's Node. Raises ConfigError."""
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **options)
        self._values = Parameters(self, kind).read()
        self._began = time.monotonic()
        self.robot = make_robot(self._values, self._began)
        self.body: Any = self.robot.body
        """Its body, for tests to look at."""
        self._responses = {name: topic.publisher(self) for name, topic in interfaces.RESPONSES.items()}
        for service, topic in interfaces.REQUESTS.items():
            topic.subscribe(self, partial(self._on_request, service))
        self._sport = self.create_publisher(SportModeState, interfaces.SPORT_STATE.name, RELIABLE_STATE)
        self._low = self.create_publisher(LowState, interfaces.LOW_STATE.name, RELIABLE_STATE)
        self.create_timer(1.0 / self._values.state_hz, self._publish_sport)
        self.create_timer(1.0 / self._values.low_state_hz, self._publish_low)

    def close(self) -> None:
        """Nothing to end."""

    def _on_request(self, service: str, request: Request) -> None:
        header = request.header
        code, data = self.robot.call(service, header.identity.api_id, request.parameter, time.monotonic())
        self.get_logger().debug(f"{service} {header.identity.api_id} {request.parameter}: {code}")
        if header.policy.noreply:
            return
        response = Response(data=data)
        response.header.identity = header.identity
        response.header.status.code = code
        self._responses[service].publish(response)

    def _publish_sport(self) -> None:
        self.robot.advance(time.monotonic())
        pose, state, (vx, vy, vyaw) = self.body.pose, self.robot.state(), self.body.velocity
        seconds, nanoseconds = self.get_clock().now().seconds_nanoseconds()
        message = SportModeState(
            stamp=TimeSpec(sec=seconds, nanosec=nanoseconds),
            error_code=state.error_code,
            mode=state.mode,
            gait_type=int(state.mode == 3),
            foot_raise_height=0.09,
            position=[pose.x, pose.y, pose.z],
            body_height=pose.z,
            velocity=[vx, vy, 0.0],
            yaw_speed=vyaw,
        )
        message.imu_state.rpy = [pose.roll, pose.pitch, pose.yaw]
        message.imu_state.quaternion = _quaternion(pose)
        message.imu_state.temperature = 40
        self._sport.publish(message)

    def _publish_low(self) -> None:
        spent = self._values.battery_drain * (time.monotonic() - self._began)
        message = LowState()
        message.bms_state.soc = round(max(0.0, self._values.battery_percent - spent))
        self._low.publish(message)


def _quaternion(pose: Pose) -> list[float]:
    """w, x, y, z of a pose's orientation."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (pose.roll, pose.pitch, pose.yaw))
    return [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]
