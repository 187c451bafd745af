"""What several tests need and is no fixture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""


def wait_for(condition: Callable[[], Any], seconds: float = 10.0, lacks: Callable[[], Any] | None = None) -> Any:
    """Polls until `condition()` is true and returns it; fails after `seconds`, with what `lacks` tells then."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"still waiting after {seconds} s" + (f" for {lacks()}" if lacks else "")
        time.sleep(0.005)
    return value


def sections(path: Path) -> dict[str, list[str]]:
    """The lines under each `[name]` of a text file; empty lines and comments are left out."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(name, []).append(line)
    return found
