"""mock_go2: a node that answers Unitree's topics as a Go2 does, for demos and tests without a robot."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from rclpy.node import Node
from unitree_api.msg import Request, Response
from unitree_go.msg import LowState, SportModeState, TimeSpec

from shadow_intent.nodes import interfaces
from shadow_intent.nodes.mock_body import Body
from shadow_intent.nodes.params import MockParams, Parameters
from shadow_intent.nodes.run import run

RELIABLE_STATE = interfaces.COMMANDS
"""The robot's state writers are reliable, depth 10; our readers ask for less."""


class MockGo2(Node):
    """The robot's side of every topic in `interfaces`."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node. Raises ConfigError when a parameter is wrong."""
        super().__init__("mock_go2", automatically_declare_parameters_from_overrides=True, **options)
        self._values = Parameters(self, MockParams).read()
        values, now = self._values, time.monotonic()
        self.body = Body(values.firmware, values.posture, values.move_timeout_s, values.time_scale, now)
        """The robot, for tests to look at."""
        self._began = now
        self._responses = {name: topic.publisher(self) for name, topic in interfaces.RESPONSES.items()}
        for service, topic in interfaces.REQUESTS.items():
            topic.subscribe(self, partial(self._on_request, service))
        self._sport = self.create_publisher(SportModeState, interfaces.SPORT_STATE.name, RELIABLE_STATE)
        self._low = self.create_publisher(LowState, interfaces.LOW_STATE.name, RELIABLE_STATE)
        self.create_timer(1.0 / values.state_hz, self._publish_sport)
        self.create_timer(1.0 / values.low_state_hz, self._publish_low)

    def helpers(self) -> Sequence[Node]:
        """It needs no further threads."""
        return ()

    def close(self) -> None:
        """Nothing to end."""

    def _on_request(self, service: str, request: Request) -> None:
        header = request.header
        code, data = self.body.call(service, header.identity.api_id, request.parameter, time.monotonic())
        self.get_logger().debug(f"{service} {header.identity.api_id} {request.parameter}: {code}")
        if header.policy.noreply:
            return
        response = Response(data=data)
        response.header.identity = header.identity
        response.header.status.code = code
        self._responses[service].publish(response)

    def _publish_sport(self) -> None:
        self.body.advance(time.monotonic())
        body, state = self.body, self.body.state()
        seconds, nanoseconds = self.get_clock().now().seconds_nanoseconds()
        message = SportModeState(
            stamp=TimeSpec(sec=seconds, nanosec=nanoseconds),
            error_code=state.error_code,
            mode=state.mode,
            gait_type=int(state.mode == 3),
            foot_raise_height=0.09,
            position=[body.x, body.y, body.height],
            body_height=body.height,
            velocity=[body.velocity[0], body.velocity[1], 0.0],
            yaw_speed=body.velocity[2],
        )
        message.imu_state.rpy = [state.roll, state.pitch, state.yaw]
        message.imu_state.quaternion = _quaternion(state.roll, state.yaw)
        message.imu_state.temperature = 40
        self._sport.publish(message)

    def _publish_low(self) -> None:
        spent = self._values.battery_drain * (time.monotonic() - self._began)
        message = LowState()
        message.bms_state.soc = round(max(0.0, self._values.battery_percent - spent))
        self._low.publish(message)


def _quaternion(roll: float, yaw: float) -> list[float]:
    """w, x, y, z of a roll, then a yaw, in radians."""
    cr, sr, cy, sy = math.cos(roll / 2), math.sin(roll / 2), math.cos(yaw / 2), math.sin(yaw / 2)
    return [cr * cy, sr * cy, sr * sy, cr * sy]


def main() -> int:
    """Entry point of the executable."""
    return run(MockGo2)


if __name__ == "__main__":
    sys.exit(main())
