"""A Go2 made of Unitree's own SDK over CycloneDDS: `python unitree_robot.py DOMAIN long|short`.

Runs in a process of its own. It answers the services that skill_node calls, walks as its Moves say, and writes each
request as it came off the wire as a line of JSON to standard output. `short` leaves path_point out of SportModeState,
as unitree_ros2's definition does.
"""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from dataclasses import dataclass, fields

import cyclonedds.idl as idl
import cyclonedds.idl.annotations as annotate
from unitree_sdk2py.core import channel
from unitree_sdk2py.go2.sport import sport_api
from unitree_sdk2py.idl.default import unitree_go_msg_dds__LowState_, unitree_go_msg_dds__SportModeState_
from unitree_sdk2py.idl.unitree_api.msg.dds_ import Request_
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowState_, SportModeState_
from unitree_sdk2py.rpc.server import Server

LOOPBACK = """<CycloneDDS><Domain Id="any">
  <General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
    <AllowMulticast>false</AllowMulticast></General>
  <Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>60</MaxAutoParticipantIndex>
    <Peers><Peer address="127.0.0.1"/></Peers></Discovery>
</Domain></CycloneDDS>"""
"""The SDK's own configuration looks for peers by multicast, which the loopback interface does not have."""
SERVICES = {
    "sport": [getattr(sport_api, name) for name in dir(sport_api) if name.startswith("SPORT_API_ID_")],
    "vui": [1003, 1005],
    "obstacles_avoid": [1001, 1002],
}
BAD_PARAMETER = 3204
STATE_S, LOW_STATE_S = 0.02, 0.2
BATTERY = 64
PRINTING = threading.Lock()
"""`print` writes a line and its end apart, and each service's requests come in a thread of their own."""


@dataclass
@annotate.final
@annotate.autoid("sequential")
class ShortSportModeState(idl.IdlStruct, typename="unitree_go.msg.dds_.SportModeState_"):
    """As in unitree_ros2."""

    __annotations__ = {name: kind for name, kind in SportModeState_.__annotations__.items() if name != "path_point"}


class Robot:
    """Where it is, and the last Move."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.velocity, self.moved_at = (0.0, 0.0, 0.0), 0.0
        self.x = self.y = self.yaw = 0.0

    def call(self, service: str, api_id: int, parameter: str) -> tuple[int, str]:
        """Answers a request: code and JSON data."""
        values = json.loads(parameter or "{}")
        if service == "sport" and api_id == sport_api.SPORT_API_ID_MOVE:
            if abs(values["x"]) > 3.8:
                return BAD_PARAMETER, ""
            with self.lock:
                self.velocity, self.moved_at = (values["x"], values["y"], values["z"]), time.monotonic()
        elif service == "sport" and api_id == sport_api.SPORT_API_ID_STOPMOVE:
            with self.lock:
                self.velocity = (0.0, 0.0, 0.0)
        elif service == "vui" and not 0 <= values.get("brightness", 0) <= 10:
            return BAD_PARAMETER, ""
        return 0, '{"enable": true}' if (service, api_id) == ("obstacles_avoid", 1002) else ""

    def advance(self, seconds: float) -> None:
        """Moves on."""
        with self.lock:
            vx, vy, vyaw = self.velocity
        self.yaw = math.remainder(self.yaw + vyaw * seconds, math.tau)
        self.x += (vx * math.cos(self.yaw) - vy * math.sin(self.yaw)) * seconds
        self.y += (vx * math.sin(self.yaw) + vy * math.cos(self.yaw)) * seconds


class Service(Server):
    """One of the robot's services."""

    def __init__(self, name: str, api_ids: list[int], robot: Robot) -> None:
        super().__init__(name)
        self._SetApiVersion("1.0.0.1")
        for api_id in api_ids:
            self._RegistHandler(api_id, lambda p, api_id=api_id: robot.call(name, api_id, p), False)
        self.Start()


def tell(values: dict[str, object]) -> None:
    """Writes a line of JSON."""
    with PRINTING:
        print(json.dumps(values), flush=True)


def report(service: str, request: Request_) -> None:
    """Every field of a request."""
    header = request.header
    values = {
        "service": service,
        "id": header.identity.id,
        "api_id": header.identity.api_id,
        "lease": header.lease.id,
        "priority": header.policy.priority,
        "noreply": header.policy.noreply,
        "parameter": request.parameter,
        "binary": list(request.binary),
    }
    tell(values)


def main(domain: int, layout: str) -> None:
    channel.ChannelConfigHasInterface = LOOPBACK
    channel.ChannelFactoryInitialize(domain, "lo")
    robot = Robot()
    subscribers = [channel.ChannelSubscriber(f"rt/api/{name}/request", Request_) for name in SERVICES]
    for subscriber, name in zip(subscribers, SERVICES, strict=True):
        subscriber.Init(lambda request, name=name: report(name, request), 10)
    services = [Service(name, api_ids, robot) for name, api_ids in SERVICES.items()]
    kind = SportModeState_ if layout == "long" else ShortSportModeState
    states = channel.ChannelPublisher("rt/sportmodestate", kind)
    low_states = channel.ChannelPublisher("rt/lf/lowstate", LowState_)
    states.Init(), low_states.Init()
    sample, low = unitree_go_msg_dds__SportModeState_(), unitree_go_msg_dds__LowState_()
    sample.mode, sample.error_code = 1, 1013
    low.bms_state.soc = BATTERY
    tell({"ready": len(services)})
    low_at = 0.0
    while True:
        robot.advance(STATE_S)
        sample.position, sample.imu_state.rpy = [robot.x, robot.y, 0.32], [0.0, 0.0, robot.yaw]
        states.Write(sample if layout == "long" else kind(*(getattr(sample, f.name) for f in fields(kind))))
        if time.monotonic() - low_at > LOW_STATE_S:
            low_at = time.monotonic()
            low_states.Write(low)
        time.sleep(STATE_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
