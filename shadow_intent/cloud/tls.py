"""TLS of the gRPC link: PEM files become gRPC credentials, each read and checked before anybody listens or calls.

gRPC itself takes any bytes and reports a broken file only as a failed handshake, so OpenSSL reads each first.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from shadow_intent.errors import ConfigError


def channel_credentials(authority: str, certificate: str = "", key: str = "") -> grpc.ChannelCredentials | None:
    """The robot's side. Paths of PEM files; None, a plaintext link, without `authority`.

    `authority`: who signed the server's certificate. `certificate`, `key`: what this side shows of itself, both or
    neither. Raises ConfigError naming the parameter of intent_node and the file.
    """
    _together("cloud_certificate_file", certificate, "cloud_key_file", key)
    _needs("cloud_certificate_file", certificate, "cloud_ca_file", authority)
    if not authority:
        return None
    roots = _authority("cloud_ca_file", authority)
    pair = _pair("cloud_certificate_file", certificate, "cloud_key_file", key) if certificate else (None, None)
    return grpc.ssl_channel_credentials(roots, pair[1], pair[0])


def server_credentials(certificate: str, key: str, client_authority: str = "") -> grpc.ServerCredentials | None:
    """The server's side. Paths of PEM files; None, a plaintext link, without `certificate`.

    `client_authority`: only a client that shows a certificate signed by it is answered; "": any. Raises ConfigError
    naming the setting and the file.
    """
    _together("tls_certificate", certificate, "tls_key", key)
    _needs("tls_client_ca", client_authority, "tls_certificate", certificate)
    if not certificate:
        return None
    chain, private = _pair("tls_certificate", certificate, "tls_key", key)
    roots = _authority("tls_client_ca", client_authority) if client_authority else None
    return grpc.ssl_server_credentials([(private, chain)], roots, require_client_auth=roots is not None)


def _together(name: str, value: str, other: str, other_value: str) -> None:
    if bool(value) != bool(other_value):
        raise ConfigError(f"{name} and {other}: give both or neither")


def _needs(name: str, value: str, other: str, other_value: str) -> None:
    if value and not other_value:
        raise ConfigError(f"{name}: without {other} the link is plaintext; set {other} too")


def _authority(name: str, path: str) -> bytes:
    """The PEM of one or more certificates."""
    data = _read(name, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{name}: {path} holds no certificate in PEM: {error}") from error
    return data


def _pair(name: str, path: str, key_name: str, key_path: str) -> tuple[bytes, bytes]:
    """The PEM of a certificate, or of a chain that begins with it, and of its private key."""
    data = _read(name, path), _read(key_name, key_path)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # without a password OpenSSL would ask for one on the terminal
        context.load_cert_chain(_place(path), _place(key_path), password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        expected = "a certificate and its own key without a passphrase, both in PEM"
        raise ConfigError(f"{name}, {key_name}: {path} and {key_path} are not {expected}: {error}") from error
    return data


def _read(name: str, path: str) -> bytes:
    try:
        return _place(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}") from error


def _place(path: str) -> Path:
    return Path(path).expanduser()
