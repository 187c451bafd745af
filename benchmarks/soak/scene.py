"""Every process of a robot, its companion computer and its cloud, to be killed, frozen and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.network import Cable
from shadow_intent.cast import STOP_S, last_words, node_command
from shadow_intent.errors import ShadowIntentError

ON_ROBOT = ("mock_go2", "observer")
PAGE_MB = os.sysconf("SC_PAGESIZE") / 2**20
CLOUD_PORT = 50551
DEADLINE_S = 2.0
"""Of an open request, seconds."""


@dataclass(slots=True)
class Process:
    """One that runs or ran."""

    name: str
    popen: subprocess.Popen[bytes]
    output: Path
    meant_to_die: bool = False

    def last_words(self) -> str:
        """The end of its output."""
        return last_words(self.output)


class Scene:
    """Started and stopped as a whole or one by one."""

    def __init__(self, folder: Path, cable: Cable | None) -> None:
        """`folder`: for logs and output; `cable`: None when the robot has no network of its own."""
        self.folder, self.cable = folder, cable
        self.evidence = folder / "robot.jsonl"
        """Written by the observer."""
        self.bundle = folder / "bundle"
        """A link to the bundle that intent_node is to load."""
        self.now: dict[str, Process] = {}
        self._all: list[Process] = []
        self._commands = {
            "mock_go2": node_command("mock_go2"),
            "observer": ["benchmarks.soak.observer", str(self.evidence)],
            "stop_node": node_command("stop_node", robot="mock"),
            "skill_node": node_command("skill_node", robot="mock"),
            "intent_node": node_command(
                "intent_node",
                cloud_address=f'"127.0.0.1:{CLOUD_PORT}"',
                cloud_deadline_s=str(DEADLINE_S),
                log_directory=f'"{folder / "log"}"',
                bundle=f'"{self.bundle}"',
            ),
        }

    def start(self, name: str, *command: str) -> Process:
        """A node, or `python -m command`."""
        prefix = self.cable.on_robot() if self.cable is not None and name in ON_ROBOT else []
        output = self.folder / f"{name}_{len(self._all)}.txt"
        with output.open("wb") as stream:
            popen = subprocess.Popen(
                [*prefix, sys.executable, "-m", *(command or self._commands[name])],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the soak, which ends them in order
            )
        process = self.now[name] = Process(name, popen, output)
        self._all.append(process)
        return process

    def cloud(self, kind: str) -> None:
        """Another server takes the cloud's address: "model" is the real one; the rest see soak/cloud.py."""
        if "cloud" in self.now:
            self.kill("cloud")
        address = f"127.0.0.1:{CLOUD_PORT}"
        if kind == "model":
            self.start("cloud", "shadow_intent.cloud.server", "--address", address)
        else:
            self.start("cloud", "benchmarks.soak.cloud", address, kind)

    def cloud_listens(self) -> bool:
        """Whether it says so. Raises ShadowIntentError when it ended."""
        process = self.now["cloud"]
        if process.popen.poll() is not None:
            raise ShadowIntentError(f"the cloud ended: {process.last_words()}")
        return "listening on" in process.output.read_text(encoding="utf-8", errors="replace")

    def kill(self, name: str) -> None:
        """At once, without a last word."""
        process = self.now.pop(name)
        process.meant_to_die = True
        process.popen.kill()
        process.popen.wait()

    def freeze(self, name: str) -> None:
        """It hangs until `thaw`."""
        self.signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """It goes on as if nothing had been."""
        self.signal(name, signal.SIGCONT)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends one."""
        self.now[name].popen.send_signal(number)

    def memory(self) -> dict[str, float]:
        """Resident megabytes of every process that runs, by "name pid"."""
        found = {}
        for name, process in self.now.items():
            try:
                pages = int(Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1])
            except OSError:
                continue
            found[f"{name} {process.popen.pid}"] = pages * PAGE_MB
        return found

    def dead(self) -> list[str]:
        """What ended although nobody killed it."""
        return [
            f"{p.name} ended with status {p.popen.returncode}: {p.last_words()}"
            for p in self._all
            if not p.meant_to_die and p.popen.poll() is not None
        ]

    def stop(self) -> list[str]:
        """Ends everything; returns what did not end well."""
        problems = self.dead()
        running = [p for p in reversed(self._all) if p.popen.poll() is None]
        for process in running:
            process.popen.send_signal(signal.SIGCONT)
            process.popen.send_signal(signal.SIGINT)
        end = time.monotonic() + STOP_S
        for process in running:
            try:
                status = process.popen.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.popen.kill()
                status = process.popen.wait()
            if status != 0 and process.name != "cloud":
                problems.append(f"{process.name} ended with status {status}: {process.last_words()}")
        return problems


def read_evidence(path: Path) -> list[list[object]]:
    """The observer's lines; a last one that is torn is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
