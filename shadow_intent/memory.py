"""What malloc is told, so that a process stays as small as what it holds. Only glibc listens."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_ARENA_MAX, ARENAS = -8, 2
"""Parameter of mallopt(3), and its value: with an arena for each of a node's many short-lived threads intent_node grows
by a kilobyte per utterance."""


def use_few_arenas() -> None:
    """Has the threads share. Call it before there are any."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """What was freed returns to the system (malloc_trim(3)): for after something large."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
