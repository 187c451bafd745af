"""A film of a spoken session, drawn from what sim_go2 recorded. Extra `sim`; needs EGL, not a screen.

Frames are drawn after the session, so that drawing never holds up the simulation. Where the robot stands still and
nothing is said, for example while the cloud thinks, the film is cut.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # draws without a screen; read as mujoco is imported

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shadow_intent.errors import ShadowIntentError
from shadow_intent.intent import is_chinese
from shadow_intent.nodes.sim_body import SimBody

FPS = 8
"""Frames per second."""
WIDTH, HEIGHT, BAR = 480, 280, 62
"""Of the picture, and of the captions below it, pixels."""
COLOURS = 48
STILL_RAD = 0.004
"""No coordinate changes by more than this from frame to frame while it stands still, m or rad."""
REST_S, READ_S, END_S = 0.5, 1.4, 1.5
"""Seconds of standing still that are shown, of a new caption, and after the last one."""
AZIMUTH, ELEVATION, DISTANCE = 125.0, -26.0, 2.0
"""Where the camera looks from, degrees and metres from the robot."""
FOLLOW, FAR_M, NEAR_M = 0.12, 0.5, 0.05
"""Further away than this the camera follows, by this share of the way in each frame, until it is near: a background at
rest makes a small file."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written below the picture from a moment on."""

    at: float
    """Seconds since the epoch."""
    heard: str
    did: str


def film(recording: Path, captions: Sequence[Caption], path: Path, fps: int = FPS) -> int:
    """Writes the film; the file's ending chooses its format (.gif, .webp, .png). Returns the number of frames.

    Raises ShadowIntentError when the recording is empty or there is no OpenGL to draw with.
    """
    size = 1 + SimBody.coordinates
    rows = np.fromfile(recording, "<f8")
    rows = rows[: len(rows) // size * size].reshape(-1, size)  # a row may be torn
    if not len(rows) or not captions:
        raise ShadowIntentError(f"{recording} holds no movement to show")
    shown = list(_cut(rows, captions, fps))
    pictures = [
        _captioned(picture, caption)
        for picture, (_, caption) in zip(_pictures([row[1:] for row, _ in shown]), shown, strict=True)
    ]
    if path.suffix == ".gif":
        samples = pictures[:: max(1, len(pictures) // 8)]
        strip = Image.new("RGB", (WIDTH, (HEIGHT + BAR) * len(samples)))
        for index, picture in enumerate(samples):
            strip.paste(picture, (0, index * (HEIGHT + BAR)))
        palette = strip.quantize(COLOURS, dither=Image.Dither.NONE)
        pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=1000 // fps, loop=0)
    return len(pictures)


def _cut(
    rows: NDArray[np.float64], captions: Sequence[Caption], fps: int
) -> Iterator[tuple[NDArray[np.float64], Caption]]:
    """The rows that are shown, with their captions, at `fps`."""
    begin, end = captions[0].at, captions[-1].at + END_S
    times = rows[:, 0]
    last, current, left = None, None, 0.0
    for moment in np.arange(begin, end, 1.0 / fps):
        row = rows[min(int(np.searchsorted(times, moment)), len(rows) - 1)]
        caption = [c for c in captions if c.at <= moment + 1e-6][-1]
        if caption is not current:
            left = max(left, READ_S)
        elif last is not None and np.abs(row[1:] - last[1:]).max() > STILL_RAD:
            left = max(left, REST_S)
        last, current = row, caption
        left -= 1.0 / fps
        if left > -1.0 / fps:
            yield row, caption


def _pictures(configurations: Sequence[NDArray[np.float64]]) -> Iterator[Image.Image]:
    """Draws each configuration (19,); the camera follows the robot, gently."""
    world = SimBody("standing").world
    try:
        renderer = mujoco.Renderer(world.model, HEIGHT, WIDTH)
    except Exception as error:
        advice = "apt install libegl1, or set MUJOCO_GL=osmesa with libosmesa6"
        raise ShadowIntentError(f"the film cannot be drawn: no OpenGL ({error}): {advice}") from error
    camera = mujoco.MjvCamera()
    camera.azimuth, camera.elevation, camera.distance = AZIMUTH, ELEVATION, DISTANCE
    camera.lookat[:] = [*configurations[0][:2], 0.2]
    follows = False
    with renderer:
        for configuration in configurations:
            world.data.qpos[:] = configuration
            mujoco.mj_forward(world.model, world.data)
            away = configuration[:2] - camera.lookat[:2]
            follows = float(np.linalg.norm(away)) > (NEAR_M if follows else FAR_M)
            camera.lookat[:2] += FOLLOW * away if follows else 0.0
            renderer.update_scene(world.data, camera)
            yield Image.fromarray(renderer.render())


def _captioned(picture: Image.Image, caption: Caption) -> Image.Image:
    """The picture with a bar of two lines below."""
    frame = Image.new("RGB", (WIDTH, HEIGHT + BAR), (24, 28, 34))
    frame.paste(picture, (0, 0))
    draw = ImageDraw.Draw(frame)
    heard, did = (
        text if _FONT_FILE or not is_chinese(text) else "(in Chinese)" for text in (caption.heard, caption.did)
    )
    for top, size, text, colour in ((7, 18, f"“{heard}”", (255, 255, 255)), (36, 13, did, (255, 206, 120))):
        font = _font(size)
        while draw.textlength(text, font) > WIDTH - 24:
            text = text.rstrip("…")[:-1] + "…"
        draw.text((12, HEIGHT + top), text, font=font, fill=colour)
    return frame


def _chinese_font() -> str:
    """A font file of this machine with Chinese characters, "" when it has none."""
    try:
        command = ["fc-list", ":lang=zh", "file"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return min((line.rstrip(": ") for line in found), default="")


_FONT_FILE = _chinese_font()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(_FONT_FILE, size) if _FONT_FILE else ImageFont.load_default(size)
