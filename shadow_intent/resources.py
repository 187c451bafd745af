"""Where the package's files are: share/shadow_intent of an installation, or the checkout itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from shadow_intent.errors import ConfigError

PACKAGE = "shadow_intent"


def share_path(*parts: str) -> Path:
    """A file of config/, launch/ or msg/. Raises ConfigError naming the places searched.

    A checkout wins over an installation, so that an edited file is the one that runs.
    """
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    folders = [Path(__file__).resolve().parents[1]]
    folders += [Path(prefix) / "share" / PACKAGE for prefix in (*prefixes, sys.prefix)]
    for folder in folders:
        if (path := folder.joinpath(*parts)).exists():
            return path
    raise ConfigError(
        f"{'/'.join(parts)} not found in {', '.join(map(str, folders))}; "
        "install the package (pip install . or colcon build) or set AMENT_PREFIX_PATH"
    )


def default_bundle() -> Path:
    """Folder of the bundle that ships with the package."""
    return Path(__file__).resolve().parent / "bundle_default"
