"""What several tests need and is no fixture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Polls until `condition()` is true and returns it; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"still waiting after {seconds} s"
        time.sleep(0.005)
    return value
