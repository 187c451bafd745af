"""The parts of the product as processes of this machine: started, waited for and stopped together."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_intent.errors import ShadowIntentError

if TYPE_CHECKING:
    from shadow_intent.nodes.witness import Witness

STORY_S = 60.0
"""An utterance and all that follows may take this long, seconds."""
CLOUD_S = 300.0
"""Until the cloud server answers, seconds; the first time it unpacks the base model."""
DEADLINE_S = "30.0"
"""Of a request to the cloud, seconds."""
STOP_S = 10.0
"""Until a part ends after SIGINT, seconds."""


@dataclass(slots=True)
class Part:
    """A process of the demo."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    """What it prints."""

    def last_words(self) -> str:
        """The end of its output."""
        return last_words(self.output)


def last_words(output: Path) -> str:
    """The end of what a process printed into a file."""
    return " | ".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])


def node_command(name: str, **parameters: str) -> list[str]:
    """Module and arguments, for `python -m`, of a ROS node of this package."""
    values = [item for key, value in parameters.items() for item in ("-p", f"{key}:={value}")]
    return [f"shadow_intent.nodes.{name}", "--ros-args", *values]


class Cast:
    """The processes, started and stopped together."""

    def __init__(self, folder: Path) -> None:
        """`folder`: for what they print."""
        self.folder = folder
        self.parts: list[Part] = []

    def start(self, name: str, module: str, *arguments: str) -> Part:
        """`python -m module arguments`."""
        output = self.folder / f"{name}.txt"
        with output.open("wb") as stream:
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
        self.parts.append(Part(name, process, output))
        return self.parts[-1]

    def node(self, name: str, **parameters: str) -> Part:
        """A ROS node of this package."""
        return self.start(name, *node_command(name, **parameters))

    def check(self) -> None:
        """Raises ShadowIntentError when a part died."""
        for part in self.parts:
            if part.process.poll() is not None:
                status = part.process.returncode
                raise ShadowIntentError(f"{part.name} ended with status {status}: {part.last_words()}")

    def stop(self) -> list[str]:
        """Ends everything; returns what did not end well."""
        problems = []
        for part in reversed(self.parts):
            if part.process.poll() is None:
                part.process.send_signal(signal.SIGINT)
        for part in reversed(self.parts):
            try:
                status = part.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                part.process.kill()
                status = part.process.wait()
            if status != 0:
                problems.append(f"{part.name} ended with status {status}: {part.last_words()}")
        return problems


def claim_domain(turn: int = 0) -> tuple[int, socket.socket]:
    """A ROS domain that no other session on this machine has, and a socket that holds it until it is closed.

    Ids above 101 would collide with Linux's ephemeral ports. `turn`: another number, another domain. Raises
    ShadowIntentError when none is left.
    """
    for step in range(90):
        candidate = 10 + (7 * os.getpid() + turn + step) % 90
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0shadow_intent_domain_{candidate}")
        except OSError:
            lock.close()
        else:
            return candidate, lock
    raise ShadowIntentError("90 sessions have a ROS domain on this machine; end one")


_claimed: list[socket.socket] = []
"""What this process holds until it ends."""


def isolate() -> None:
    """A ROS domain of our own on the loopback interface: no robot on the network is ever reached.

    Set before rclpy loads. Raises ShadowIntentError.
    """
    domain, lock = claim_domain()
    _claimed.append(lock)
    os.environ["ROS_DOMAIN_ID"] = str(domain)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.pop("ROS_STATIC_PEERS", None)
    if os.environ.get("ROS_DISTRO") == "humble":
        os.environ["ROS_LOCALHOST_ONLY"] = "1"  # it does not know the range; its successors warn of this


def isolation() -> str:
    """What `isolate` chose, as a shell writes it in front of a command that is to reach the same nodes."""
    names = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY")
    return " ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)


def program() -> str:
    """How a shell in this folder calls shadow-intent."""
    return "shadow-intent" if shutil.which("shadow-intent") else os.path.relpath(f"{sys.prefix}/bin/shadow-intent")


def start_intent_node(cast: Cast, address: str, bundle: str) -> None:
    """It logs below the cast's folder. A laptop that plays cloud and robot at once gets more time to answer."""
    texts = {"cloud_address": address, "log_directory": str(cast.folder / "log"), "bundle": bundle}
    cast.node("intent_node", cloud_deadline_s=DEADLINE_S, **{name: f'"{text}"' for name, text in texts.items()})


def listening(cast: Cast, cloud: Part) -> str:
    """Waits until the server says where it listens; returns host:port."""
    mark, end = "listening on ", time.monotonic() + CLOUD_S
    while time.monotonic() < end:
        cast.check()
        for line in cloud.output.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(mark):
                return line.removeprefix(mark)
        time.sleep(0.1)
    raise ShadowIntentError(f"cloud_server did not listen within {CLOUD_S:g} s: {cloud.last_words()}")


def await_(cast: Cast, node: Witness, condition: Callable[[], bool], what: str) -> None:
    """Waits for `condition`. Raises ShadowIntentError when a part dies or time is up."""
    end = time.monotonic() + STORY_S
    while not node.wait(condition, seconds=1.0):
        cast.check()
        if time.monotonic() > end:
            raise ShadowIntentError(f"waited {STORY_S:g} s for {what}")
