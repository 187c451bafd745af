"""How a process waits until it is told to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def alarm() -> tuple[Callable[[], object], Callable[[], object]]:
    """A function that waits for SIGINT, SIGTERM or a call of the other function. Call it in the main thread.

    Through a pipe (signal.set_wakeup_fd): the system may hand a signal to any thread, which does not wake one that
    waits for a lock, and a handler that sets a threading.Event deadlocks when a second signal interrupts it, as when a
    launch system passes on the Ctrl-C that a process already got.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    return lambda: os.read(reader, 1), lambda: os.write(writer, b"\0")
