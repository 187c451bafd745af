"""The bundle: everything training hands to the robot and to the cloud. The only place its file names exist."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from shadow_intent.errors import BundleError, ConfigError
from shadow_intent.resources import default_bundle
from shadow_intent.route import NEVER, Policy

FORMAT = 2
MANIFEST = "bundle.json"
MODEL = "model.onnx"
SHADOW = "shadow.safetensors"
SHADOW_CONFIG = "shadow.json"
TOKENIZER = "tokenizer.json"
VOCABULARY = "vocabulary.json"
NEW_ROWS = "new_rows.safetensors"
SAMPLES = "samples.json"
NOTICE = "NOTICE"
FILES = (MODEL, SHADOW, SHADOW_CONFIG, TOKENIZER, VOCABULARY, NEW_ROWS, SAMPLES, NOTICE)
"""Every file besides the manifest, which holds their hashes."""
ROBOT_FILES = (MODEL, TOKENIZER, SAMPLES, MANIFEST)
"""What the robot runs on; the others are the cloud's."""
MAX_BYTES = 40 * 2**20
MAX_ROBOT_BYTES = 12 * 10**6


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contents of bundle.json."""

    format: int
    """`FORMAT`."""
    labels: tuple[str, ...]
    """In the order of the logits."""
    policy: Policy
    temperature: float
    """Logits are divided by it before the softmax (Guo et al. 2017), > 0."""
    max_tokens: int
    """Longer utterances are cut to this many tokens."""
    shadow: Mapping[str, Any]
    """Configuration of the shadow network, for attaching it again."""
    base: Mapping[str, Any]
    """The base language model the shadow was cut from: name, licence."""
    training: Mapping[str, Any]
    """Configuration of the run and the SHA-256 of its data."""
    certificate: Mapping[str, Any]
    """What is guaranteed about `policy`, with n and the confidence, or why nothing is (`training.selective`)."""
    metrics: Mapping[str, Any]
    """Held-out results with n and 95 % intervals."""
    files: Mapping[str, str]
    """SHA-256 of each of `FILES`."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked folder."""

    path: Path
    manifest: Manifest
    bundle_id: str
    """First 12 hex digits of the manifest's SHA-256; names these exact files."""

    @classmethod
    def load(cls, path: Path | str | None = None) -> Bundle:
        """Reads and checks a folder; None or "" is the bundle that ships with the package.

        Raises BundleError when a file is missing, altered or not understood.
        """
        folder = Path(path) if path else default_bundle()
        if not folder.is_dir():
            raise BundleError(f"{folder}: no such bundle folder; train one with training/run.sh or leave bundle empty")
        try:
            raw = (folder / MANIFEST).read_bytes()
            manifest = _manifest(json.loads(raw))
        except OSError as error:
            raise BundleError(f"{folder}: {MANIFEST} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, ConfigError) as error:
            raise BundleError(f"{folder / MANIFEST}: not a bundle manifest: {error}") from error
        for name in FILES:
            file = folder / name
            if not file.is_file():
                raise BundleError(f"{file}: missing; the bundle is incomplete, copy it again")
            if (digest := file_hash(file)) != manifest.files.get(name):
                expected = str(manifest.files.get(name))[:12]
                raise BundleError(f"{file}: SHA-256 is {digest[:12]}…, expected {expected}…; the file was altered")
        return cls(folder, manifest, hashlib.sha256(raw).hexdigest()[:12])

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def policy(self) -> Policy:
        return self.manifest.policy

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def tokenizer_path(self) -> Path:
        return self.path / TOKENIZER

    @property
    def vocabulary(self) -> list[list[int]]:
        """For each token of the robot's tokenizer the base's token ids it is made of; one where the base has it too."""
        return [list(map(int, row)) for row in json.loads((self.path / VOCABULARY).read_text(encoding="utf-8"))]

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Utterances with the logits this bundle gave when it was made: {"text", "logits"}."""
        return list(json.loads((self.path / SAMPLES).read_text(encoding="utf-8")))

    @property
    def size_bytes(self) -> int:
        return self._bytes((MANIFEST, *FILES))

    @property
    def robot_bytes(self) -> int:
        """Of `ROBOT_FILES`."""
        return self._bytes(ROBOT_FILES)

    def _bytes(self, names: Iterable[str]) -> int:
        return sum((self.path / name).stat().st_size for name in names)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Completes a folder that holds all of `FILES`: hashes them and writes the manifest last."""
    values = asdict(manifest) | {"files": {name: file_hash(folder / name) for name in FILES}}
    (folder / MANIFEST).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _manifest(values: dict[str, Any]) -> Manifest:
    expected = {f.name for f in fields(Manifest)}
    if not isinstance(values, dict) or set(values) != expected:
        raise ValueError(f"expected the keys {', '.join(sorted(expected))}")
    if values["format"] != FORMAT:
        raise ValueError(f"format is {values['format']!r}, this version reads {FORMAT}")
    labels = tuple(values["labels"])
    if len(labels) < 2 or len(set(labels)) != len(labels) or not all(isinstance(x, str) for x in labels):
        raise ValueError("labels must be distinct strings")
    if not (isinstance(values["temperature"], (int, float)) and 0 < values["temperature"] < 100):
        raise ValueError(f"temperature is {values['temperature']!r}, expected a number in (0, 100)")
    if not (isinstance(values["max_tokens"], int) and values["max_tokens"] >= 1):
        raise ValueError(f"max_tokens is {values['max_tokens']!r}, expected a whole number >= 1")
    if not isinstance(values["files"], dict):
        raise ValueError(f"files is {values['files']!r}, expected an object of names and hashes")
    policy = Policy(**values["policy"])
    _check_certificate(values["certificate"], policy)
    return Manifest(**{**values, "labels": labels, "policy": policy})


def _check_certificate(certificate: Any, policy: Policy) -> None:
    """A policy may be stricter than what was certified, not laxer. Raises ValueError."""
    if not isinstance(certificate, dict) or not isinstance(certificate.get("ignoring", {}), dict):
        raise ValueError(f"certificate is {certificate!r}, expected an object")
    for part, name in ((certificate, "accept"), (certificate.get("ignoring", {}), "ignore")):
        least = part["accept"] if part.get("valid") else 0.0
        if getattr(policy, name) < least:
            raise ValueError(f"policy {name} is {getattr(policy, name)}, below the certified threshold {least}")
    if certificate and not certificate.get("valid") and policy.accept < NEVER:
        raise ValueError(f"policy accept is {policy.accept} without a certificate, expected {NEVER}")
