"""From a spoken stop to StopMove on the wire, under load: `python -m benchmarks.stop [--stops N] [--json FILE]`.

Everything that runs on a robot runs here as processes over DDS, with a mock Go2. Meanwhile one more classifier per core
decides without a pause, utterances arrive faster than they can be classified, and the cloud accepts each request and
never answers. Measured by one more process, from handing the text to DDS until DDS has received the request there.
Rows: `stop` and `damp` while the robot stands, `stop, walking` while velocities are streamed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from shadow_intent.demo import Cast, isolate
from shadow_intent.errors import ShadowIntentError

if TYPE_CHECKING:
    from rclpy.node import Node

CASES = {"stop": "stop!", "damp": "motors off", "stop, walking": "停下"}
"""Row: what is said."""
PAUSE_S = (0.02, 0.06)
"""Between two measurements, seconds."""
SETTLE_S = 0.2
"""A story is over when nothing came for so long, seconds."""
TRIES = 3
MOVE = 1008
PATIENCE_S = 5.0
"""Without a StopMove for so long the stop is counted as lost, seconds."""
FLOOD_HZ = 400
"""Utterances per second: more than one classifier decides."""

BURN = """
from itertools import cycle
from shadow_intent.bundle import Bundle
from shadow_intent.intent import Utterance
from shadow_intent.pipeline import Pipeline
pipeline = Pipeline.from_bundle(Bundle.load(""))
for text in cycle(["walk to the window and tell me what you see", "turn left a little", "今天天气怎么样"]):
    pipeline.hear(Utterance(text))
"""
FLOOD = f"""
import time
import rclpy
from shadow_intent import msg
from shadow_intent.nodes import interfaces
rclpy.init()
node = rclpy.create_node("crowd")
voice = interfaces.VOICE_COMMAND.publisher(node)
texts = ["why is the sky blue", "the weather is nice today", "what do you see over there", "tell me a story"]
while True:
    for text in texts:
        voice.publish(msg.VoiceCommand(text=text, session_id="crowd"))
        time.sleep(1 / {FLOOD_HZ})
"""


@contextmanager
def processes(*programs: str) -> Iterator[None]:
    """Python programs that run until the block ends."""

    def calm_down() -> None:
        """The urgency of this process is not for its children."""
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)

    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, preexec_fn=calm_down)
        for program in programs
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextmanager
def hanging_cloud() -> Iterator[str]:
    """host:port of a server that accepts every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


class Stopwatch:
    """Says stop and waits for what reaches the robot."""

    def __init__(self, node: Node) -> None:
        from rclpy.executors import SingleThreadedExecutor
        from std_msgs.msg import String

        from shadow_intent import msg
        from shadow_intent.nodes import interfaces

        self._text, self._intent = String, msg.Intent
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._node = node
        self._voice = interfaces.VOICE_TEXT.publisher(node)
        self._intents = interfaces.INTENT.publisher(node)
        self._walks = False
        self._arrived: dict[int, int] = {}
        """When DDS received a request here, nanoseconds since the epoch, by request id."""
        self._epoch = 0
        self._sent: list[int] = []
        """Ids of the requests that bare texts caused; those of the intents that follow are not measured."""
        self._done: set[str] = set()
        self._last_words = "no answer"
        self._said = self._echoed = 0
        topic = interfaces.REQUESTS["sport"]
        node.create_subscription(topic.type, topic.name, self._on_request, topic.qos)
        interfaces.STOP_STATE.subscribe(node, self._on_stop_state)
        interfaces.SKILL_STATUS.subscribe(node, self._on_status)
        interfaces.INTENT.subscribe(node, self._on_intent)

    def _on_request(self, request: Any, information: Any) -> None:
        identity = request.header.identity
        self._walks = self._walks or identity.api_id == MOVE
        self._arrived[identity.id] = information["received_timestamp"]

    def _on_stop_state(self, state: Any) -> None:
        if state.epoch != self._epoch and not state.utterance_id:
            self._sent.append(state.request_id)
        self._epoch = state.epoch

    def _on_intent(self, intent: Any) -> None:
        self._echoed += intent.source == intent.SOURCE_STOP

    def _on_status(self, status: Any) -> None:
        if status.state == status.SUCCEEDED:
            self._done.add(status.label)
        elif status.label not in ("stop", "damp") and status.reason:
            self._last_words = status.reason

    def spin(self, condition: Callable[[], Any], seconds: float) -> bool:
        """Hears until `condition()` is true; False when `seconds` passed."""
        end = time.perf_counter() + seconds
        while not condition():
            if time.perf_counter() > end:
                return False
            self._executor.spin_once(timeout_sec=0.01)
        return True

    def ready(self) -> bool:
        """Everybody hears."""
        return self._voice.get_subscription_count() >= 2 and self._intents.get_subscription_count() >= 2

    def order(self, label: str, done: Callable[[], bool], **slots: float) -> bool:
        """Has the robot do a skill, past the classifier; False when it was not `done` in time."""
        order = self._intent(label=label, decision="skill", source="edge", text=label, utterance_id=label)
        order.header.stamp = self._node.get_clock().now().to_msg()
        for name, value in slots.items():
            setattr(order.slots, name, value)
        self._walks = False
        self._done.clear()
        self._intents.publish(order)
        return self.spin(done, PATIENCE_S)

    def rise(self) -> None:
        """On its feet, whatever came before."""
        if not self.order("recover", lambda: "recover" in self._done):
            raise ShadowIntentError(f"the robot was told to stand and did not: {self._last_words}")

    def walk(self) -> None:
        """Walking. The stop before may still be on its way as an intent, and would end this: then once more."""
        self.spin(lambda: self._echoed >= self._said, PATIENCE_S)
        for _ in range(TRIES):
            self.spin(lambda: False, SETTLE_S)
            if self.order("move_forward", lambda: self._walks, distance_m=5.0):
                return
        raise ShadowIntentError(f"the robot was told to walk and did not: {self._last_words}")

    def stop(self, text: str) -> float:
        """Seconds from saying it to the request; infinite when none came."""
        self._sent.clear()
        self._said += 1
        began = time.time_ns()
        self._voice.publish(self._text(data=text))
        if not self.spin(lambda: self._sent and self._sent[0] in self._arrived, PATIENCE_S):
            return float("inf")
        return (self._arrived[self._sent[0]] - began) * 1e-9


def measure(stops: int) -> dict[str, Any]:
    """Every case, under load. Raises ShadowIntentError when a part fails."""
    from shadow_intent.nodes.priority import hurry
    from shadow_intent.nodes.witness import witness

    results: dict[str, Any] = {"cores": os.cpu_count(), "stops": stops}
    with tempfile.TemporaryDirectory() as folder, hanging_cloud() as address:
        cast = Cast(Path(folder))
        try:
            cast.node("mock_go2")
            cast.node("stop_node", robot="mock")
            cast.node("skill_node", robot="mock", duplicate_window_s="0.0")
            cast.node("intent_node", cloud_address=f'"{address}"', log_directory=f'"{folder}/log"')
            results["priority"] = hurry()  # or this process would measure how late it is woken itself
            with witness() as node:
                for name in ("skill_node", "intent_node"):
                    node.activate(name)
                node.wait(lambda: node.ready(robot=True), 20.0)
                loads = [BURN] * (os.cpu_count() or 1) + [FLOOD]
                results["idle"] = cases(stops // 4)
                with processes(*loads):
                    time.sleep(5.0)
                    before = busy()
                    results["loaded"] = cases(stops)
                    results["processor_busy"] = round(load_since(before), 3)
            cast.check()
        finally:
            cast.stop()
    return results


def cases(stops: int) -> dict[str, dict[str, float]]:
    """Percentiles by case."""
    import rclpy

    node = rclpy.create_node("stopwatch")
    watch = Stopwatch(node)
    if not watch.spin(watch.ready, 20.0):
        raise ShadowIntentError("nobody hears the stopwatch")
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    watch.rise()
    for turn in range(stops + stops // 2):
        name = "damp" if turn >= stops else "stop" if turn % 4 else "stop, walking"
        if name == "stop, walking":
            watch.walk()
        watch.spin(lambda: False, random.uniform(*PAUSE_S))
        seconds[name].append(watch.stop(CASES[name]))
    node.destroy_node()
    return {name: percentiles(values) for name, values in seconds.items() if values}


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    milliseconds = np.array(seconds) * 1e3
    values = {f"p{q}_ms": round(float(np.percentile(milliseconds, q)), 3) for q in (50, 95, 99)}
    return {**values, "max_ms": round(float(milliseconds.max()), 3), "count": len(seconds)}


def busy() -> tuple[float, float]:
    """Jiffies the processor worked, and all (proc_pid_stat(5)); zeros where there is no /proc."""
    try:
        values = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0, 0.0
    return sum(values) - values[3] - values[4], sum(values)


def load_since(before: tuple[float, float]) -> float:
    """Share of all cores that worked since."""
    now = busy()
    return (now[0] - before[0]) / max(1.0, now[1] - before[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stop", description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=400, help="spoken stops under load")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    isolate()
    # as on a robot's network; between nodes that look for each other on this machine alone rmw adds shared memory
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
    results = measure(arguments.stops)
    table = Table("", "said", "p50 ms", "p95 ms", "p99 ms", "max ms", "n", title="spoken stop → request on the wire")
    for load in ("idle", "loaded"):
        for name, row in results[load].items():
            numbers = [f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms")]
            table.add_row(load, name, *numbers, str(row["count"]))
    console = Console()
    console.print(table)
    console.print(
        f"{results['cores']} cores, {results['processor_busy']:.0%} busy under load; priority: {results['priority']}"
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
