"""The link under TLS: real handshakes on loopback, and files that make none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from certificates import Identity, self_signed
from support import ROOT

from shadow_intent.cloud import intent_pb2
from shadow_intent.cloud.client import CloudClient
from shadow_intent.cloud.plan import Answer
from shadow_intent.cloud.server import create_server
from shadow_intent.cloud.tls import channel_credentials, server_credentials
from shadow_intent.errors import CloudUnavailable, ConfigError

REQUEST = intent_pb2.Request(utterance_id="u", text="hi")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return self_signed(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return self_signed(tmp_path_factory.mktemp("tls"), "robot")


@pytest.fixture
def ask() -> Iterator[Callable[..., str]]:
    """`ask(server_credentials, channel_credentials)`: the reply that comes back over the link."""
    with ExitStack() as stack:

        def over(theirs: Any, ours: Any) -> str:
            engine: Any = SimpleNamespace(
                answer=lambda *_: Answer("Hello.", ()), bundle=SimpleNamespace(bundle_id="b1")
            )
            made, port = create_server("127.0.0.1:0", engine, theirs)
            made.start()
            stack.callback(lambda: made.stop(0).wait())
            client = stack.enter_context(closing(CloudClient(f"127.0.0.1:{port}", 10.0, credentials=ours)))
            return client.resolve(REQUEST).reply

        yield over


def test_a_server_with_a_certificate_is_asked_by_who_trusts_it(ask: Callable[..., str], server: Identity) -> None:
    theirs = server_credentials(server.certificate, server.key)
    assert ask(theirs, channel_credentials(server.certificate)) == "Hello."


def test_both_sides_may_have_to_show_who_they_are(ask: Callable[..., str], server: Identity, robot: Identity) -> None:
    theirs = server_credentials(server.certificate, server.key, robot.certificate)
    assert ask(theirs, channel_credentials(server.certificate, robot.certificate, robot.key)) == "Hello."


@pytest.mark.parametrize("shown", ["nothing", "another"])
def test_a_robot_the_server_does_not_know_is_not_answered(
    ask: Callable[..., str], server: Identity, robot: Identity, shown: str
) -> None:
    theirs = server_credentials(server.certificate, server.key, robot.certificate)
    pair = (server.certificate, server.key) if shown == "another" else ()
    with pytest.raises(CloudUnavailable):
        ask(theirs, channel_credentials(server.certificate, *pair))


def test_a_server_nobody_vouched_for_is_not_asked(ask: Callable[..., str], server: Identity, robot: Identity) -> None:
    with pytest.raises(CloudUnavailable):
        ask(server_credentials(server.certificate, server.key), channel_credentials(robot.certificate))


def test_a_certificate_for_another_host_is_refused(ask: Callable[..., str], tmp_path: Path) -> None:
    other = self_signed(tmp_path, "other", address="192.0.2.1")
    with pytest.raises(CloudUnavailable):
        ask(server_credentials(other.certificate, other.key), channel_credentials(other.certificate))


def test_a_plaintext_robot_gets_nothing_from_a_tls_server(ask: Callable[..., str], server: Identity) -> None:
    with pytest.raises(CloudUnavailable):
        ask(server_credentials(server.certificate, server.key), None)


def test_without_files_the_link_is_plaintext() -> None:
    assert channel_credentials("") is None
    assert server_credentials("", "") is None


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ä"])
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, server: Identity, content: str | None) -> None:
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^cloud_ca_file: {bad} (cannot be read|holds no certificate)"):
        channel_credentials(str(bad))
    with pytest.raises(ConfigError, match=rf"^cloud_certificate_file.*{bad} "):
        channel_credentials(server.certificate, str(bad), server.key)
    with pytest.raises(ConfigError, match=rf"^tls_.*{bad} "):
        server_credentials(server.certificate, str(bad))
    with pytest.raises(ConfigError, match=rf"^tls_client_ca: {bad} "):
        server_credentials(server.certificate, server.key, str(bad))


def test_a_key_of_another_certificate_is_refused(server: Identity, robot: Identity) -> None:
    with pytest.raises(ConfigError, match=r"tls_certificate, tls_key: .* its own key"):
        server_credentials(server.certificate, robot.key)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path, server: Identity) -> None:
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", server.key, "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ConfigError, match="without a passphrase"):
        server_credentials(server.certificate, str(locked))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ca", "one.pem", ""), "give both or neither"),
        (("ca", "", "one.key"), "give both or neither"),
        (("", "one.pem", "one.key"), "set cloud_ca_file too"),
    ],
)
def test_half_a_client_identity_is_refused(arguments: tuple[str, str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        channel_credentials(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls-certificate", "one.pem"], "tls_certificate and tls_key: give both or neither"),
        (["--tls-client-ca", "one.pem"], "set tls_certificate too"),
        (["--tls-certificate", "absent.pem", "--tls-key", "absent.key"], "absent.pem cannot be read"),
    ],
)
def test_the_server_refuses_to_start_with_wrong_options(options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "shadow_intent.cloud.server", "--address", "127.0.0.1:0", *options]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert result.returncode == 2
    assert words in result.stderr and "Traceback" not in result.stderr
