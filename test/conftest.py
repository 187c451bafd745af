"""Shared fixtures. The environment is set before anything loads rclpy or a numerical library."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support import ROOT

from shadow_intent.cast import claim_domain

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
os.environ.setdefault("MUJOCO_GL", "egl")  # read as mujoco is imported; no test has a screen
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("busy", deadline=None)  # how long an example takes says nothing on a shared machine
settings.load_profile("busy")

# a background job of a shell ignores SIGINT, and so would every process a test starts and interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)

_turn = count()


@pytest.fixture
def domain() -> Iterator[int]:
    """A ROS domain for this test alone; pass it to child processes as ROS_DOMAIN_ID."""
    candidate, lock = claim_domain(next(_turn))
    with lock:
        yield candidate


@pytest.fixture
def ros(domain: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """`ros(NodeClass, *args, **kwargs)` makes a node and spins it until the test ends."""
    rclpy = pytest.importorskip("rclpy")
    pytest.importorskip("shadow_intent.msg", reason="messages are not built")
    from shadow_intent.nodes.run import Spinner

    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    rclpy.init(domain_id=domain)
    spinners: list[Any] = []
    made: list[Any] = []

    def make(kind: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        node = kind(*args, **kwargs)
        made.append(node)
        spinners.append(Spinner(node).__enter__())
        return node

    yield make
    for node in made:
        if hasattr(node, "close"):
            node.close()
    for spinner in spinners:
        spinner.__exit__(None, None, None)
    failed = any(spinner.failed for spinner in spinners)
    for node in made:
        node.destroy_node()
    rclpy.try_shutdown()
    assert not failed, "a callback raised; its traceback is above"


@pytest.fixture(scope="session")
def bundle_folder() -> Path:
    """The bundle that ships with the package, or a candidate named by SHADOW_INTENT_BUNDLE."""
    from shadow_intent.resources import default_bundle

    return Path(os.environ.get("SHADOW_INTENT_BUNDLE") or default_bundle())
