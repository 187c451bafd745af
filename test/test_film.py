"""The film of a session, from a recording of the simulated robot."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the extra sim is not installed")

from PIL import Image, ImageChops

from shadow_intent.errors import ShadowIntentError
from shadow_intent.film import READ_S, Caption, film
from shadow_intent.nodes.go2 import Go2
from shadow_intent.nodes.sim_body import SimBody

FPS = 3
BEGAN = 1_700_000_000.0
SITS_AT, SITS_S, LASTS_S = 20.0, 2.0, 24.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It stands for twenty seconds, then sits down."""
    path = tmp_path_factory.mktemp("film") / "movements"
    body = SimBody("standing")
    go2 = Go2("mcf", "standing", body, move_timeout_s=0.5, now=0.0)
    with path.open("wb") as file:
        for step in range(round(LASTS_S * 25)):
            now = step / 25
            if step == round(SITS_AT * 25):
                go2.call("sport", 1009, "{}", now)
            go2.advance(now)
            file.write(struct.pack("<20d", BEGAN + now, *body.configuration))
        file.write(b"torn")
    return path


def test_a_session_becomes_a_short_film(recording: Path, tmp_path: Path) -> None:
    captions = [Caption(BEGAN, "hello", "ignore"), Caption(BEGAN + SITS_AT, "坐下 " + "please " * 30, "sit")]
    path = tmp_path / "film" / "demo.gif"
    try:
        frames = film(recording, captions, path, FPS)
    except ShadowIntentError as error:  # a machine without OpenGL: it must say what to do
        assert "no OpenGL" in str(error) and "apt install" in str(error)
        return
    shown_s = frames / FPS
    assert READ_S + SITS_S / 2 < shown_s < 10.0, "twenty seconds of standing still are cut"
    with Image.open(path) as image:
        assert image.n_frames > 5 and image.size[0] > image.size[1]
        pictures = []
        for index in range(image.n_frames):
            image.seek(index)
            pictures.append(image.convert("RGB"))
    assert any(ImageChops.difference(a, b).getbbox() for a, b in pairwise(pictures))
    assert len(np.unique(np.asarray(pictures[-1]).reshape(-1, 3), axis=0)) > 10, "not an empty picture"


def test_nothing_recorded_is_said_so(tmp_path: Path) -> None:
    empty = tmp_path / "movements"
    empty.write_bytes(b"")
    with pytest.raises(ShadowIntentError, match="holds no movement"):
        film(empty, [Caption(BEGAN, "hello", "")], tmp_path / "demo.gif")
