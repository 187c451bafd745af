"""CLINC150 (Larson et al. 2019), as its data_full.json holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shadow_intent.errors import InputError

Pairs = Sequence[tuple[str, str]]
"""Text and label."""


@dataclass(frozen=True, slots=True)
class Clinc:
    """Queries by part, and the 150 intents."""

    parts: Mapping[str, Pairs]
    labels: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Clinc:
        """Raises InputError."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            parts = {name: [(text, label) for text, label in rows] for name, rows in data.items()}
            return cls(parts, tuple(sorted({label for _, label in parts["train"]})))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: expected data_full.json of CLINC150: {error}") from error

    def texts(self, part: str) -> list[str]:
        return [text for text, _ in self.parts[part]]

    def targets(self, part: str) -> NDArray[np.int64]:
        return np.array([self.labels.index(label) for _, label in self.parts[part]])
