"""Two networks joined by a cable: the companion computer's, which this process moves into, and the robot's.

Linux network namespaces and a pair of virtual Ethernet devices. Nothing outside can be reached from them, so no robot
on the real network ever hears of a soak. It takes root, or a Linux that lets everybody make user namespaces.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from shadow_intent.errors import ShadowIntentError

INSIDE = "SHADOW_INTENT_SOAK_NETWORK"
"""Set in the environment of a process that `enter` moved."""
COMPANION, ROBOT = "10.77.0.1/24", "10.77.0.2/24"
JOIN_S = 5.0


def enter() -> None:
    """Starts this program again in a network of its own; does nothing when that is not allowed or done already."""
    if os.environ.get(INSIDE):
        return
    unshare = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    link = "ip link add name a type veth peer name b"
    try:
        if subprocess.run([*unshare, "sh", "-c", link], capture_output=True, timeout=JOIN_S).returncode != 0:
            return
    except (OSError, subprocess.TimeoutExpired):
        return
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]])


class Cable:
    """Between the two networks."""

    def __init__(self) -> None:
        """Makes the robot's network and joins it to this one. Raises ShadowIntentError."""
        _ip("link set lo up")
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], start_new_session=True)
        self._network = Path(f"/proc/{self._holder.pid}/ns/net")
        _await(self._elsewhere)
        _ip(f"link add companion type veth peer name robot netns {self._holder.pid}")
        ends: tuple[tuple[list[str], str, str], ...] = (([], "companion", COMPANION), (self.on_robot(), "robot", ROBOT))
        for where, device, address in ends:
            _ip(f"addr add {address} dev {device}", where)
            _ip(f"link set {device} up", where)
        _ip("link set lo up", self.on_robot())
        for where, device, _ in ends:  # a DDS participant uses the interfaces that run when it is made, and no others
            _await(partial(_runs, device, where))

    def _elsewhere(self) -> bool:
        with suppress(OSError):
            return os.readlink(self._network) != os.readlink("/proc/self/ns/net")
        return False

    def on_robot(self) -> list[str]:
        """In front of a command: it runs in the robot's network."""
        return ["nsenter", f"--net={self._network}"]

    def cut(self) -> None:
        """From now on nothing passes."""
        _ip("link set companion down")

    def mend(self) -> None:
        """Whole again."""
        _ip("link set companion up")

    def close(self) -> None:
        """The robot's network ends with its last process."""
        self._holder.kill()
        self._holder.wait()


def _await(condition: Callable[[], bool]) -> None:
    """Raises ShadowIntentError when it takes longer than `JOIN_S`."""
    end = time.monotonic() + JOIN_S
    while not condition():
        if time.monotonic() > end:
            raise ShadowIntentError("the robot's network did not come up")
        time.sleep(0.01)


def _runs(device: str, where: list[str]) -> bool:
    return " state UP " in _ip(f"link show {device}", where)


def _ip(arguments: str, prefix: list[str] | None = None) -> str:
    """What `ip` prints. Raises ShadowIntentError."""
    done = subprocess.run([*(prefix or []), "ip", *arguments.split()], capture_output=True, text=True)
    if done.returncode != 0:
        raise ShadowIntentError(f"ip {arguments}: {done.stderr.strip()}")
    return done.stdout
