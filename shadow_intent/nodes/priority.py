"""How urgently the operating system runs us: ahead of everything for a stop, behind everything for the classifier."""

from __future__ import annotations

import os
import sys
import threading

REALTIME = 20
"""SCHED_FIFO priority of a process that may stop the robot, in 1 to 99: above ordinary programs, below the kernel's own
threads (50) and a motor controller."""
ORDINARY = "ordinary"
"""How `hurry` begins when nothing was permitted."""
URGENT, PATIENT = -10, 10
"""Nice values: of the same process where real time is not permitted, and of work that can wait."""


def hurry() -> str:
    """Raises this process as far as it is permitted, for itself and every thread that it starts from now on.

    Returns what was reached, in words. Real time needs CAP_SYS_NICE or an rtprio limit, nice values below 0 a nice
    limit (limits.conf(5)). Without either everything works, but a stop is only as fast as the other programs let it be.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME))
    except (AttributeError, OSError):  # no such call outside Linux; not permitted
        pass
    else:
        return f"real time {REALTIME}"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, URGENT)
    except OSError as error:
        return f"{ORDINARY}: {error.strerror}"
    return f"nice {URGENT}"


def yield_to_others() -> None:
    """Puts the calling thread behind everything else on this machine; only Linux has a nice value per thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENT)
