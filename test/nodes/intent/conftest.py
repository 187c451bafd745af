"""An active intent_node, and a cloud that says what the test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ear import Ear, ScriptedCloud
from support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("shadow_intent.msg", reason="messages are not built")

from rclpy.parameter import Parameter

from shadow_intent.bundle import Bundle
from shadow_intent.cloud.server import create_server
from shadow_intent.nodes.intent_node import IntentNode
from shadow_intent.nodes.witness import Witness

NOTHING_LISTENS = "127.0.0.1:1"


@pytest.fixture
def cloud(bundle_folder: Path) -> Iterator[ScriptedCloud]:
    engine = ScriptedCloud(Bundle.load(bundle_folder))
    server, port = create_server("127.0.0.1:0", engine)
    engine.address = f"127.0.0.1:{port}"
    server.start()
    yield engine
    engine.may_answer.set()
    server.stop(0).wait()


@pytest.fixture
def ear(ros: Callable[..., Any], bundle_folder: Path, tmp_path: Path) -> Callable[..., Ear]:
    """`ear(**parameters)`: an active intent_node and a witness that is matched with it."""

    def make(activate: bool = True, **parameters: Any) -> Ear:
        values = {
            "bundle": str(bundle_folder),
            "cloud_address": NOTHING_LISTENS,
            "log_directory": str(tmp_path / "log"),
            "diagnostics_hz": 10.0,
            "max_command_age_s": 10.0,
            **parameters,
        }
        node = ros(IntentNode, parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])
        made = Ear(node, ros(Witness), tmp_path / "log")
        if activate:
            made.witness.activate("intent_node")
            wait_for(made.witness.ready, 20)
        return made

    return make
