"""The processes of a session when one misbehaves; what happens when none does is test_flow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import wait_for

pytest.importorskip("rich")

from shadow_intent.cast import Cast, claim_domain, isolate, isolation, listening
from shadow_intent.errors import ShadowIntentError

WAIT = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def cast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    """Its parts are the modules a test writes with `part`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("shadow_intent.cast.STOP_S", 0.5)
    made = Cast(tmp_path)
    yield made
    made.stop()


def part(cast: Cast, name: str, source: str) -> None:
    (cast.folder / f"{name}.py").write_text(source)
    cast.start(name, name)


def test_a_part_that_dies_is_named_with_its_last_words(cast: Cast) -> None:
    part(cast, "quitter", "import sys; print('out of battery'); sys.exit(3)")
    cast.parts[0].process.wait()
    with pytest.raises(ShadowIntentError, match="quitter ended with status 3: out of battery"):
        cast.check()
    assert cast.stop() == ["quitter ended with status 3: out of battery"]


def test_a_server_that_dies_before_it_listens_is_named(cast: Cast) -> None:
    part(cast, "server", "raise SystemExit('error: no bundle')")
    with pytest.raises(ShadowIntentError, match="server ended with status 1: error: no bundle"):
        listening(cast, cast.parts[0])


def test_the_address_is_read_from_the_servers_output(cast: Cast) -> None:
    part(cast, "server", "import time; print('hello'); print('listening on 127.0.0.1:42', flush=True); time.sleep(60)")
    assert listening(cast, cast.parts[0]) == "127.0.0.1:42"


def test_a_part_that_does_not_end_is_killed(cast: Cast) -> None:
    part(
        cast,
        "stubborn",
        "import signal, time; signal.signal(2, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
    )
    wait_for(lambda: "up" in cast.parts[0].last_words())
    assert cast.stop() == ["stubborn ended with status -9: up"]


def test_a_part_that_ends_when_asked_is_no_problem(cast: Cast) -> None:
    source = (
        "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(0)); print('up', flush=True); time.sleep(60)"
    )
    part(cast, "polite", source)
    wait_for(lambda: "up" in cast.parts[0].last_words())
    assert cast.stop() == []


@pytest.mark.parametrize(("distribution", "only"), [("humble", "1"), ("kilted", "0")])
def test_the_demo_never_reaches_a_robot_on_the_network(
    monkeypatch: pytest.MonkeyPatch, distribution: str, only: str
) -> None:
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("ROS_STATIC_PEERS", "192.168.123.161")
    monkeypatch.setenv("ROS_DISTRO", distribution)
    isolate()
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert os.environ["ROS_LOCALHOST_ONLY"] == only
    assert "ROS_STATIC_PEERS" not in os.environ
    assert 10 <= int(os.environ["ROS_DOMAIN_ID"]) < 100
    domain = f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}"
    assert isolation() == f"{domain} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_LOCALHOST_ONLY={only}"


def test_two_sessions_never_share_a_domain() -> None:
    first, lock = claim_domain()
    with lock:
        second, other = claim_domain()
        other.close()
        assert first != second
    again, lock = claim_domain()
    lock.close()
    assert again == first
