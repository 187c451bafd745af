"""Running a node as a process: safe DDS profile, an executor in a thread, a clean exit on SIGINT and SIGTERM."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from shadow_intent.errors import ConfigError, ShadowIntentError
from shadow_intent.memory import use_few_arenas
from shadow_intent.nodes.dds import use_safe_profile
from shadow_intent.nodes.quick_executor import QuickExecutor
from shadow_intent.signals import alarm

JOIN_S = 2.0
"""How long a callback may take to return when the process ends, seconds."""
EXIT_S = 4.5
"""From the signal to the end of the process, seconds. What hangs longer is shown on stderr and cut off."""


class Urgent(Node):
    """A node that is served by a `QuickExecutor`."""


class Spinner:
    """Spins a node in an executor and thread of its own, until it leaves the `with` block.

    MultiThreadedExecutor is not used: at 50 Hz its threads fight for the interpreter lock and latency reaches seconds.
    """

    def __init__(self, node: Node, on_failure: Callable[[], object] = lambda: None) -> None:
        self._executor: Any
        if isinstance(node, Urgent):
            self._executor = QuickExecutor(node)
        else:
            self._executor = SingleThreadedExecutor(context=node.context)
            self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name=node.get_name())
        self._done: Future[None] = Future()
        self._on_failure = on_failure
        self.failed = False
        """True when a callback raised: its thread printed the traceback and ended."""

    def __enter__(self) -> Spinner:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # rclpy's shutdown() takes its wake-up from an executor that still waits: the thread could wait for ever
        self._done.set_result(None)
        self._thread.join(JOIN_S)
        self._executor.shutdown(timeout_sec=JOIN_S)

    def _spin(self) -> None:
        try:
            self._executor.spin_until_future_complete(self._done)
        except ExternalShutdownException:
            return
        except BaseException:
            self.failed = True
            self._on_failure()
            raise


def run(make_node: Callable[[], Any], arguments: Sequence[str] | None = None) -> int:
    """Runs a node until SIGINT or SIGTERM; returns the exit status: 1 when a callback raised, `os.EX_CONFIG` when it
    cannot start as it is configured and so never will.

    Beside rclpy's methods the node has `close()`, which ends all activity while it can still publish, before the
    executor stops.
    The signals are handled here and not by rclpy, whose handler ends the context at once: the node could not publish
    its last StopMove. `EXIT_S` after the first one the process is over, whatever hangs.
    """
    wait, wake = alarm()
    arguments = list(sys.argv if arguments is None else arguments)
    try:
        use_few_arenas()
        use_safe_profile()
        _init(arguments)
        node = make_node()
        with Spinner(node, on_failure=wake) as spinner:
            wait()
            faulthandler.dump_traceback_later(EXIT_S, exit=True)
            node.close()
        node.destroy_node()
        return int(spinner.failed)
    except ShadowIntentError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return os.EX_CONFIG
    finally:
        # a launch system passes Ctrl-C on to a process that already got it: the second one must not end it as a crash
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        rclpy.try_shutdown(uninstall_handlers=False)


def _init(arguments: list[str]) -> None:
    """Raises ConfigError for ROS arguments or a parameters file that cannot be read."""
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except rclpy_implementation.RCLError as error:
        raise ConfigError(str(error)) from error
