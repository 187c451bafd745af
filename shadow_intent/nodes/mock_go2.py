"""mock_go2: a node that answers Unitree's topics as a Go2 does, for demos and tests without a robot."""

from __future__ import annotations

import sys
from typing import Any

from shadow_intent.nodes.go2 import Go2
from shadow_intent.nodes.go2_node import Go2Node
from shadow_intent.nodes.mock_body import MockBody
from shadow_intent.nodes.params import MockParams
from shadow_intent.nodes.run import run


class MockGo2(Go2Node):
    """A Go2 without legs."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node. Raises ConfigError when a parameter is wrong."""
        super().__init__("mock_go2", MockParams, _robot, **options)


def _robot(values: MockParams, now: float) -> Go2:
    body = MockBody(values.posture)
    return Go2(values.firmware, values.posture, body, values.move_timeout_s, now, values.time_scale)


def main() -> int:
    """Entry point of the executable."""
    return run(MockGo2)


if __name__ == "__main__":
    sys.exit(main())
