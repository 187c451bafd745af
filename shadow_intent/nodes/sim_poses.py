"""Postures and gestures of the simulated Go2 as joint angles. Data for `sim_body`.

Twelve angles in radians: front right, front left, rear right, rear left, each abduction, hip, knee. A gesture is a
sequence of poses that are reached at even intervals; before the first and after the last it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Angles = NDArray[np.float64]


def _legs(front: Sequence[float], rear: Sequence[float], roll: float = 0.0) -> Angles:
    """The same hip and knee angles left and right, and all four abductions turned by `roll`."""
    return np.array([roll, *front, roll, *front, roll, *rear, roll, *rear])


_STAND, _FOLDED = (0.8, -1.5), (1.36, -2.65)
_STANDING = _legs(_STAND, _STAND)
_SITTING = _legs((0.6, -1.3), (1.9, -2.65))
POSTURES: Mapping[str, Angles] = {
    "standing": _STANDING,
    "lying": _legs(_FOLDED, _FOLDED),
    "sitting": _SITTING,
}
"""By posture of skills.POSTURES; the others have no angles of their own."""

_WAVE = [np.array([0.0, 0.1 + swing, -1.2, *_SITTING[3:]]) for swing in (-1.2, -0.7, -1.2, -0.7, -1.2)]
_CROUCH, _TALL = _legs((1.1, -2.1), (1.1, -2.1)), _legs((0.6, -1.1), (0.6, -1.1))
_SWAY = [_legs(_STAND, _STAND, roll) for roll in (0.25, -0.25)]
_DANCE = [_CROUCH, _SWAY[0], _SWAY[1], _CROUCH, _TALL, _SWAY[1], _SWAY[0], _CROUCH, _SWAY[0], _SWAY[1], _TALL]

GESTURES: Mapping[int, Sequence[Angles]] = {
    1016: (_SITTING, *_WAVE, _SITTING, _STANDING),  # Hello
    1017: (_legs((0.2, -1.4), (0.9, -1.3)), _legs((0.2, -1.4), (0.9, -1.3)), _STANDING),  # Stretch
    1020: (*_SWAY, *_SWAY, _STANDING),  # Content
    1022: (*_DANCE, _STANDING),  # Dance1
    1023: (*reversed(_DANCE), _STANDING),  # Dance2
    1028: (_legs((0.7, -1.1), (1.0, -1.9), 0.15), _legs((0.7, -1.1), (1.0, -1.9), -0.15), _STANDING),  # Pose
    1029: (_legs((1.1, -2.3), (0.8, -1.4)), _legs((1.1, -2.3), (0.8, -1.4)), _STANDING),  # Scrape
    1033: (*_SWAY, *_SWAY, *_SWAY, _STANDING),  # WiggleHips
}
"""By API id. Flips, jumps and handstands are left out: springs cannot do them."""


def blend(start: Angles, poses: Sequence[Angles], progress: float) -> Angles:
    """Where the joints shall be at `progress` in [0, 1] on the way from `start` through the poses."""
    way = progress * len(poses)
    index = min(int(way), len(poses) - 1)
    before = start if index == 0 else poses[index - 1]
    share = min(1.0, way - index)
    return before + (poses[index] - before) * share * share * (3.0 - 2.0 * share)
