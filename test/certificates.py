"""Certificates for a link on loopback, made by the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Identity:
    """PEM files of a self-signed certificate, which is its own authority, and of its key."""

    certificate: str
    key: str


def self_signed(folder: Path, name: str, address: str = "127.0.0.1") -> Identity:
    """For the host `address`; skips the test where there is no openssl program."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl program")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([program, "req", "-x509", *options, *subject, *files], check=True, capture_output=True)
    return Identity(str(certificate), str(key))
