"""CPU time of things that take turns, and the circumstances under which it was taken."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from training.machine import processor

PACKAGES = ("torch", "transformers", "peft", "shadow-peft")
SLOW, SLOW_ROUNDS = 4.0, 2
"""What takes so many times as long as the first action takes part in so many rounds: more would take hours."""


def cpu_time(action: Callable[[], Any]) -> float:
    """Seconds of CPU time of this thread, the only one that computes."""
    start = time.thread_time()
    action()
    return time.thread_time() - start


def take_turns(actions: dict[str, Callable[[], Any]], rounds: int, units: int = 1) -> dict[str, dict[str, Any]]:
    """Measures every action once a round, after one round to warm up; slow ones in the first `SLOW_ROUNDS` only.

    Args:
        units: what an action does so many of, such as tokens; times are given for one.

    Returns:
        For each action: rounds_ms, milliseconds in each round; ms, their median; ratio, the median over rounds of its
        time over that of the first action in the same round; ratio_range, the least and the greatest of these.
    """
    warm_up = {name: cpu_time(action) for name, action in actions.items()}
    slow = {name for name, seconds in warm_up.items() if seconds > SLOW * next(iter(warm_up.values()))}
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds):
        for name, action in actions.items():
            if turn < SLOW_ROUNDS or name not in slow:
                times[name].append(1e3 * cpu_time(action) / units)
    return {name: summary(own, next(iter(times.values()))) for name, own in times.items()}


def summary(own: list[float], first: list[float]) -> dict[str, Any]:
    """What `take_turns` returns for an action, from milliseconds in each of the first rounds."""
    ratios = [a / b for a, b in zip(own, first, strict=False)]
    return {
        "ms": round(statistics.median(own), 2),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "rounds_ms": [round(ms, 3) for ms in own],
    }


def circumstances() -> dict[str, Any]:
    """When, on what and with what something was measured."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
